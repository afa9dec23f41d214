//! `instances`: how many processes of a plugin there are, and what does not go with several.

use super::place::{Fault, Findings};
use super::reader::{Entry, Section};
use super::{Launch, PluginSpec};

/// How many processes one plugin may have.
const MOST: usize = 256;

/// What `instances` says.
pub(super) fn read(entry: &Entry<'_>, findings: &mut Findings<'_>) -> Option<u32> {
    let count = entry.count("a number of processes, such as 4", 1, findings)?;
    let instances = u32::try_from(count).ok().filter(|_| count <= MOST);
    if instances.is_none() {
        let help = format!("write a number from 1 to {MOST}: each is a process");
        findings.error(&entry.place, Fault::new(format!("is {count}"), help));
    }
    instances
}

/// Checks what several processes of one plugin would take from one another, or not have in common.
pub(super) fn check(section: &Section<'_>, spec: &PluginSpec, findings: &mut Findings<'_>) {
    let PluginSpec { instances, .. } = spec;
    if *instances == 1 {
        return;
    }
    let written = section.entries().any(|entry| entry.name() == "instances");
    let place = section.place_of("instances");
    if spec.socket.is_some() {
        let socket = section.place_of("socket");
        let help = "take `socket` out, then each gets a path of its own; or write instances = 1";
        if written {
            let message = format!("is {instances}, and all of them would have one `socket`");
            findings.conflict(&place, Fault::new(message, help), &socket, "the socket");
        } else {
            let message =
                format!("is one path, and `[defaults]` has {instances} processes of each plugin");
            findings.error(&socket, Fault::new(message, help));
        }
    }
    if let Launch::Builtin { component_type, .. } = &spec.launch
        && component_type.name() == "in-memory"
    {
        let message = format!("makes {instances} stores: each process has its own in its memory");
        let help = "write instances = 1, or take a store that they can share";
        let place = if written { place } else { section.place_of("builtin") };
        findings.warning(&place, Fault::new(message, help));
    }
}
