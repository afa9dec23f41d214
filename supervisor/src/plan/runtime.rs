//! `[runtime]`: what the application is called, where it calls, where replug keeps its sockets.

use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::Group;
use toml::de::DeValue;

use super::place::{Fault, Findings, Place};
use super::reader::{Context, Entry, Placed, Section};
use super::{ControlGroup, Listen, RuntimeSettings, Surroundings, value};

const DEFAULT_APP_ID: &str = "replug";
const DEFAULT_GRPC: &str = "127.0.0.1:50001";
const DEFAULT_HTTP: &str = "127.0.0.1:3500";
const DEFAULT_FORGET_AFTER: Duration = Duration::from_secs(30);
const DEFAULT_MAX_MESSAGE: usize = 4 << 20;

/// What `max_message` may be, in bytes. A message over gRPC tells its length in 32 bits, and the
/// answers of the control API have to fit whatever the plan says.
const MAX_MESSAGE: std::ops::RangeInclusive<u64> = 1 << 10..=(1 << 32) - 1;

/// The variables that tell where found plugins put their sockets; the first that is set counts.
const SOCKET_DIR_VARIABLES: [&str; 2] =
    ["DAPR_COMPONENTS_SOCKETS_FOLDER", "LAYOTTO_COMPONENTS_SOCKETS_FOLDER"];

/// What `[runtime]` says, and where it says it.
pub(super) struct Settings {
    pub(super) values: RuntimeSettings,
    /// Where everything is that replug itself listens at.
    pub(super) listens: Vec<Placed<Listen>>,
    pub(super) socket_dir: Place,
}

/// Reads `[runtime]`.
pub(super) fn read(
    mut section: Section<'_>,
    context: &Context<'_>,
    findings: &mut Findings<'_>,
) -> Settings {
    let app_id = section
        .get("app_id")
        .and_then(|entry| entry.parsed("a string, such as \"checkout\"", findings, app_id))
        .unwrap_or_else(|| DEFAULT_APP_ID.to_owned());
    let grpc = listens(&mut section, "grpc", DEFAULT_GRPC, context, findings);
    let http = listens(&mut section, "http", DEFAULT_HTTP, context, findings);
    let run_dir = section
        .get("run_dir")
        .and_then(|entry| path(&entry, context, findings))
        .unwrap_or_else(|| default_run_dir(&app_id, context.surroundings));
    let socket_dir = section
        .get("socket_dir")
        .and_then(|entry| path(&entry, context, findings))
        .or_else(|| default_socket_dir(context));
    let control = section
        .get("control")
        .and_then(|entry| path(&entry, context, findings))
        .unwrap_or_else(|| run_dir.join("control.sock"));
    let control_place = section.place_of("control");
    if let Err(fault) = value::socket_path(&control) {
        // Where it is not written, `run_dir` is what makes it long.
        let run_dir = section.place_of("run_dir");
        let written = if control_place.span.is_some() { &control_place } else { &run_dir };
        findings.error(written, fault);
    }
    let control_group = section
        .get("control_group")
        .and_then(|entry| entry.parsed("a group in quotes, such as \"ops\"", findings, group));
    let forget_after = section
        .get("forget_after")
        .and_then(|entry| entry.duration(findings))
        .unwrap_or(DEFAULT_FORGET_AFTER);
    let max_message = section
        .get("max_message")
        .and_then(|entry| entry.parsed("a size in quotes, such as \"4M\"", findings, max_message))
        .unwrap_or(DEFAULT_MAX_MESSAGE);

    let resources = paths(&mut section, "resources", context, findings);
    let metrics = section.get("metrics").and_then(|entry| {
        let wanted = "an address in quotes, such as \"127.0.0.1:9090\"";
        entry.parsed(wanted, findings, |text| {
            value::listen(text, |path| context.path(path)).and_then(|listen| match listen {
                Listen::Tcp(_) => Ok(listen),
                Listen::Unix(_) => Err(Fault::new(
                    "is a Unix socket",
                    "write an address such as \"127.0.0.1:9090\"",
                )),
            })
        })
    });
    let configuration = paths(&mut section, "configuration", context, findings);
    let socket_dir_place = section.place_of("socket_dir");
    section.finish(&[], findings);

    let each = |listens: &[Placed<Listen>]| listens.iter().map(|it| it.value.clone()).collect();
    let values = RuntimeSettings {
        app_id,
        grpc: each(&grpc),
        http: each(&http),
        run_dir,
        socket_dir,
        control: control.clone(),
        control_group,
        forget_after,
        max_message,
        resources,
        metrics,
        configuration,
    };
    let control = Placed { place: control_place, value: Listen::Unix(control) };
    let listens = grpc.into_iter().chain(http).chain([control]).collect();
    Settings { values, listens, socket_dir: socket_dir_place }
}

fn app_id(text: &str) -> Result<String, Fault> {
    let wrong = if text.is_empty() {
        "is empty".to_owned()
    } else if text.contains(['.', '/', '\\']) {
        format!("is {text:?}, which has a dot or a slash in it")
    } else if text.contains("||") || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        format!("is {text:?}, which has `||`, a space or a control character in it")
    } else {
        return Ok(text.to_owned());
    };
    Err(Fault::new(wrong, "write letters, digits, `-` and `_`, such as \"checkout\""))
}

/// A group that this machine knows, by name or by number.
fn group(text: &str) -> Result<ControlGroup, Fault> {
    let found = match text.parse::<u32>() {
        // A number needs no name.
        Ok(gid) => return Ok(ControlGroup { name: text.to_owned(), gid }),
        Err(_) => Group::from_name(text),
    };
    match found {
        Ok(Some(group)) => Ok(ControlGroup { name: group.name, gid: group.gid.as_raw() }),
        Ok(None) => Err(Fault::new(
            format!("is {text:?}, and this machine has no such group"),
            "write the name of a group that `getent group` lists, or add it with `groupadd`",
        )),
        Err(error) => Err(Fault::new(
            format!("is {text:?}, which cannot be looked up: {error}"),
            "write the group's number",
        )),
    }
}

fn max_message(text: &str) -> Result<usize, Fault> {
    let size = value::size(text)?;
    usize::try_from(size).ok().filter(|_| MAX_MESSAGE.contains(&size)).ok_or_else(|| {
        Fault::new(format!("is {text:?}"), "write a size from \"1K\" to below \"4G\"")
    })
}

/// A path, a relative one being relative to the folder of the plan.
fn path(entry: &Entry<'_>, context: &Context<'_>, findings: &mut Findings<'_>) -> Option<PathBuf> {
    let text = entry.os_text("a path in quotes", findings)?;
    if text.is_empty() {
        findings.error(&entry.place, Fault::new("is empty", "write a path, or take the key out"));
        return None;
    }
    Some(context.path(text))
}

/// Files and folders that are there; one that is not is told of.
fn paths(
    section: &mut Section<'_>,
    key: &'static str,
    context: &Context<'_>,
    findings: &mut Findings<'_>,
) -> Vec<PathBuf> {
    let wanted = "an array of paths, such as [\"components/\"]";
    let entries = section.get(key).and_then(|entry| entry.array(wanted, findings));
    let mut there = Vec::new();
    for entry in entries.unwrap_or_default() {
        let Some(path) = path(&entry, context, findings) else { continue };
        if path.exists() {
            there.push(path);
        } else {
            let is = format!("names {}, which does not exist", path.display());
            findings.error(&entry.place, Fault::new(is, "make it, or take it out"));
        }
    }
    there
}

/// One address, a list of them, or `false` for none.
fn listens(
    section: &mut Section<'_>,
    key: &'static str,
    default: &str,
    context: &Context<'_>,
    findings: &mut Findings<'_>,
) -> Vec<Placed<Listen>> {
    let wanted = format!("an address such as {default:?}, a list of addresses, or false");
    let entries = match section.get(key) {
        None => {
            let value = value::listen(default, |path| context.path(path));
            let place = section.place_of(key);
            return value.into_iter().map(|value| Placed { place: place.clone(), value }).collect();
        }
        Some(entry) => match entry.value {
            DeValue::Boolean(false) => return Vec::new(),
            DeValue::Array(_) => entry.array(&wanted, findings).unwrap_or_default(),
            _ => vec![entry],
        },
    };
    let read = |entry: Entry<'_>| {
        let parse = |text: &str| value::listen(text, |path| context.path(path));
        let value = entry.parsed(&wanted, findings, parse)?;
        Some(Placed { place: entry.place, value })
    };
    entries.into_iter().filter_map(read).collect()
}

/// Where what belongs to a run of replug is, unless the plan says otherwise: below `RUNTIME_DIRECTORY`, which a service manager sets; else `/run/replug/APP_ID` for root, below
/// `XDG_RUNTIME_DIR` for others, below `/tmp` where there is none.
///
/// A service whose unit says `RuntimeDirectory=replug` so has the folder that root looks in.
#[must_use]
pub fn default_run_dir(app_id: &str, surroundings: &Surroundings) -> PathBuf {
    // The variable is a list where the unit has several; the first counts.
    let given = surroundings.filled("RUNTIME_DIRECTORY").and_then(|list| list.split(':').next());
    if let Some(folder) = given.map(Path::new).filter(|folder| folder.is_absolute()) {
        return folder.join(app_id);
    }
    if surroundings.uid == 0 {
        return Path::new("/run/replug").join(app_id);
    }
    match surroundings.filled("XDG_RUNTIME_DIR").map(Path::new) {
        Some(folder) if folder.is_absolute() => folder.join("replug").join(app_id),
        _ => PathBuf::from(format!("/tmp/replug-{}", surroundings.uid)).join(app_id),
    }
}

fn default_socket_dir(context: &Context<'_>) -> Option<PathBuf> {
    let set = SOCKET_DIR_VARIABLES.iter().find_map(|name| context.surroundings.filled(name))?;
    Some(context.path(set))
}
