//! `health`: how it is seen whether a plugin hangs, over its link and by a probe.

use std::path::Path;

use super::care::Care;
use super::place::{Fault, Findings};
use super::plugin::one_of;
use super::reader::{Entry, Section};
use super::value;
use crate::health::probe::{Address, Probe, Probing};
use crate::health::{HealthPolicy, OnUnhealthy, Watch};

const ON_UNHEALTHY: [(&str, OnUnhealthy); 2] =
    [("restart", OnUnhealthy::Restart), ("report", OnUnhealthy::Report)];

/// Reads the table. An empty one counts too: it asks for the defaults.
pub(super) fn read(
    mut table: Section<'_>,
    base: &Care,
    findings: &mut Findings<'_>,
) -> (HealthPolicy, Option<Probing>) {
    let declared = base.health.watch == Watch::Always;
    let default = if declared { base.health } else { HealthPolicy::DECLARED };
    let interval = table.get("interval").and_then(|entry| entry.some_time(findings));
    let timeout = table.get("timeout").and_then(|entry| entry.some_time(findings));
    let failures = table
        .get("failures")
        .and_then(|entry| entry.count("a number of failures, such as 3", 1, findings));
    let on_unhealthy = table.get("on_unhealthy").and_then(|entry| {
        entry.parsed("\"restart\" or \"report\"", findings, |text| one_of(text, &ON_UNHEALTHY))
    });
    let probing = probing(&mut table, base.probe.as_ref(), findings);
    table.finish(&[], findings);
    let policy = HealthPolicy {
        interval: interval.unwrap_or(default.interval),
        timeout: timeout.unwrap_or(default.timeout),
        failures: failures
            .map_or(default.failures, |count| u32::try_from(count).unwrap_or(u32::MAX)),
        on_unhealthy: on_unhealthy.unwrap_or(default.on_unhealthy),
        ..default
    };
    (policy, probing)
}

/// The probe, which is one of three kinds, and when it counts.
fn probing(
    table: &mut Section<'_>,
    base: Option<&Probing>,
    findings: &mut Findings<'_>,
) -> Option<Probing> {
    let exec = table.get("exec").map(|entry| (exec(&entry, findings), entry));
    let tcp = table.get("tcp").map(|entry| (tcp(&entry, findings), entry));
    let http = table.get("http").map(|entry| (http(&entry, findings), entry));
    let start_period = table.get("start_period").map(|entry| (entry.duration(findings), entry));
    let ready = table.get("ready").map(|entry| (entry.boolean(findings), entry));

    let mut written = [exec, tcp, http].into_iter().flatten();
    let first = written.next();
    if let (Some((_, first)), Some((_, second))) = (&first, written.next()) {
        let fault = Fault::new(
            format!("stands beside `{}`", first.name()),
            "keep one of the two: a plugin has one probe; one that runs a command can ask more",
        );
        findings.conflict(&second.key, fault, &first.key, "the other one");
    }
    if first.is_none() && base.is_none() {
        let keys = [start_period.as_ref().map(|it| &it.1.key), ready.as_ref().map(|it| &it.1.key)];
        for key in keys.into_iter().flatten() {
            let help = "write what is asked: `exec`, `tcp` or `http`";
            findings.error(key, Fault::new("is about a probe, and there is none", help));
        }
    }
    let probe = match first {
        Some((probe, _)) => probe?,
        None => base?.probe.clone(),
    };
    Some(Probing {
        probe,
        start_period: start_period
            .map_or_else(|| base.and_then(|base| base.start_period), |(time, _)| time),
        ready: ready
            .and_then(|(ready, _)| ready)
            .unwrap_or_else(|| base.is_some_and(|base| base.ready)),
    })
}

fn exec(entry: &Entry<'_>, findings: &mut Findings<'_>) -> Option<Probe> {
    let words = entry.arguments(findings)?;
    let mut words = words.iter().map(Entry::known_text);
    let program = words.next().unwrap_or_default();
    if program.is_empty() {
        let help = "write the program and its arguments, such as [\"./is-alive\", \"--quick\"]";
        findings.error(&entry.place, Fault::new("is empty", help));
    }
    Some(Probe::Exec { program, args: words.collect() })
}

fn tcp(entry: &Entry<'_>, findings: &mut Findings<'_>) -> Option<Probe> {
    let wanted = "an address, such as \"127.0.0.1:5432\" or \"unix:/run/db.sock\"";
    entry.parsed(wanted, findings, |text| {
        let fault = |message: &str| {
            let help = "write \"HOST:PORT\" or \"unix:/PATH.sock\"";
            Err(Fault::new(format!("is {text:?}, {message}"), help))
        };
        if let Some(path) = text.strip_prefix("unix:") {
            if !path.starts_with('/') {
                return fault("which has no absolute path");
            }
            value::os_text(path)?;
            value::socket_path(Path::new(path))?;
            return Ok(Probe::Tcp(Address::Unix(path.into())));
        }
        let parts = text.rsplit_once(':').filter(|(host, _)| !host.is_empty());
        match parts.map(|(_, port)| port.parse::<u16>()) {
            Some(Ok(1..)) => Ok(Probe::Tcp(Address::Tcp(text.to_owned()))),
            Some(_) => fault("which has no port from 1 to 65535"),
            None => fault("which is no address"),
        }
    })
}

fn http(entry: &Entry<'_>, findings: &mut Findings<'_>) -> Option<Probe> {
    let wanted = "a URL, such as \"http://127.0.0.1:8080/healthz\"";
    entry.parsed(wanted, findings, |text| {
        let target = text.parse().map_err(|error| {
            let help = "write a URL such as \"http://127.0.0.1:8080/healthz\"; for anything else \
                        there is `exec`";
            Fault::new(format!("is {text:?}, {error}"), help)
        })?;
        Ok(Probe::Http(target))
    })
}
