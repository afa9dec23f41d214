//! `replug events`: what happens, a line each, until the reader or replug goes.

use std::io::{self, Write};

use replug_proto::replug::control::v1 as pb;
use replug_proto::replug::control::v1::event::Kind;
use replug_proto::replug::control::v1::watch_response::What;
use serde::Serialize;

use crate::block_on;
use crate::cli::EventsArgs;
use crate::exit::Failure;
use crate::status::{component_state, connect, plugin_state};

/// Shows them as they happen.
pub(crate) fn events(args: &EventsArgs) -> Result<(), Failure> {
    block_on(async {
        let request =
            pb::WatchRequest { plugins: args.plugins.clone(), events_only: true, last: args.last };
        let mut events = connect(&args.control).await?.watch(request).await?;
        let interrupted = tokio::signal::ctrl_c();
        tokio::pin!(interrupted);
        loop {
            let what = tokio::select! {
                what = events.next() => what?,
                // Whoever looks has seen enough.
                _ = &mut interrupted => return Ok(()),
            };
            let Some(what) = what else { return Err(Failure::not_running("replug has ended")) };
            let mut out = io::stdout().lock();
            let written = match (what, args.json) {
                (What::Event(event), true) => json(&event, &mut out),
                (What::Event(event), false) => writeln!(out, "{}", line(&event)),
                (What::Missed(missed), true) => writeln!(out, "{{\"missed\":{missed}}}"),
                (What::Missed(missed), false) => writeln!(out, "… {missed} events missed"),
                (What::Snapshot(_), _) => Ok(()),
            };
            if let Err(error) = written.and_then(|()| out.flush()) {
                return match error.kind() {
                    io::ErrorKind::BrokenPipe => Ok(()),
                    _ => Err(Failure::failed(error)),
                };
            }
        }
    })
}

/// An event for eyes.
pub(crate) fn line(event: &pb::Event) -> String {
    let at = event.at.map(|at| time(&at)).unwrap_or_default();
    let who = match (event.component.as_str(), event.plugin.as_str()) {
        ("", "") => "replug".to_owned(),
        ("", plugin) if event.instance > 0 => format!("{plugin}@{}", event.instance),
        ("", plugin) => plugin.to_owned(),
        (component, "") => format!("component {component}"),
        (component, plugin) => format!("component {component} of {plugin}"),
    };
    format!("{at}  {who}: {}", what(event))
}

/// An event for eyes that know whose it is and what day: the time, and what has happened. Which of a
/// plugin's processes it is about is said.
pub(crate) fn short_line(event: &pb::Event) -> String {
    /// Where the time of day begins and ends in `2026-11-25T03:12:58.318Z`.
    const TIME: std::ops::Range<usize> = 11..23;
    let at = event.at.map(|at| time(&at)).unwrap_or_default();
    let component = match event.component.as_str() {
        "" => String::new(),
        component => format!("component {component}: "),
    };
    let process = match event.instance {
        0 => String::new(),
        instance => format!("@{instance} "),
    };
    format!("{} {process}{component}{}", at.get(TIME).unwrap_or(&at), what(event))
}

/// What has happened, in words.
fn what(event: &pb::Event) -> String {
    let text = event.text.as_str();
    let because = if text.is_empty() { String::new() } else { format!(": {text}") };
    let life = match (event.generation, event.pid) {
        (0, _) => String::new(),
        (generation, None) => format!(" (generation {generation})"),
        (generation, Some(pid)) => format!(" (generation {generation}, pid {pid})"),
    };
    match event.kind() {
        Kind::State => {
            let (from, to) = (plugin_state(event.previous()), plugin_state(event.state()));
            let change = if from == to { to.to_owned() } else { format!("{from} → {to}") };
            format!("{change}{life}{because}")
        }
        Kind::Started => format!("started{life}{because}"),
        Kind::Exited => format!("ended{life}{because}"),
        Kind::Recovered => format!("well again{life}"),
        Kind::Added => format!("added{because}"),
        Kind::Removed => format!("removed{because}"),
        Kind::Component => {
            let to = component_state(event.component_state());
            match event.previous_component_state() {
                pb::component::State::Unspecified => format!("{to}{because}"),
                from => format!("{} → {to}{because}", component_state(from)),
            }
        }
        Kind::Reload => format!("reload{because}"),
        Kind::Replacement => format!("replacement{life}{because}"),
        Kind::Trouble | Kind::Asked | Kind::Replug | Kind::Unspecified => text.to_owned(),
    }
}

#[derive(Serialize)]
struct Event<'a> {
    sequence: u64,
    at: String,
    kind: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    plugin: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<u32>,
    #[serde(skip_serializing_if = "str::is_empty")]
    component: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    generation: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<u32>,
    #[serde(skip_serializing_if = "str::is_empty")]
    text: &'a str,
}

fn json(event: &pb::Event, out: &mut impl Write) -> io::Result<()> {
    let (state, previous) = match event.kind() {
        Kind::State => (Some(plugin_state(event.state())), Some(plugin_state(event.previous()))),
        Kind::Component => {
            let previous = event.previous_component_state();
            let known = previous != pb::component::State::Unspecified;
            let previous = known.then(|| component_state(previous));
            (Some(component_state(event.component_state())), previous)
        }
        _ => (None, None),
    };
    let shown = Event {
        sequence: event.sequence,
        at: event.at.map(|at| time(&at)).unwrap_or_default(),
        kind: event.kind().as_str_name().to_ascii_lowercase(),
        plugin: &event.plugin,
        instance: Some(event.instance).filter(|instance| *instance > 0),
        component: &event.component,
        state,
        previous,
        generation: Some(event.generation).filter(|generation| *generation > 0),
        pid: event.pid,
        text: &event.text,
    };
    serde_json::to_writer(&mut *out, &shown)?;
    writeln!(out)
}

/// A time as in replug's log, to the millisecond.
fn time(at: &prost_types::Timestamp) -> String {
    let at = std::time::SystemTime::try_from(*at).unwrap_or(std::time::UNIX_EPOCH);
    humantime::format_rfc3339_millis(at).to_string()
}
