//! `[app]`: the application that replug calls, where it does.

use std::net::IpAddr;
use std::time::Duration;

use replug_runtime::app::{AppSettings, AppToken, HealthCheck, InvalidToken, Protocol};
use toml::de::DeValue;

use super::place::{Fault, Findings};
use super::reader::{Context, Entry, Section};
use super::runtime::Settings;
use super::secret::Referred;
use super::{Listen, nearest, secret};

/// The variable that holds the application's token where `token` is not written, as in Dapr.
const TOKEN_VARIABLE: &str = "APP_API_TOKEN";

/// What an application can be kept from being asked when it has come.
const INIT_ENDPOINTS: [&str; 2] = ["config", "subscribe"];

/// Reads `[app]`; without it there is an application that serves nothing.
pub(super) fn read(
    entry: Option<Entry<'_>>,
    runtime: &Settings,
    context: &Context<'_>,
    findings: &mut Findings<'_>,
) -> AppSettings {
    let default = AppSettings::default();
    let Some(mut section) = entry.and_then(|entry| entry.section(findings)) else { return default };
    let port = port(&mut section, runtime, findings);
    let protocol = section.get("protocol").and_then(|entry| {
        entry.parsed("a protocol in quotes, such as \"http\"", findings, protocol)
    });
    let address = section
        .get("address")
        .and_then(|entry| entry.parsed("a host in quotes, such as \"127.0.0.1\"", findings, host));
    let max_concurrency = section
        .get("max_concurrency")
        .and_then(|entry| entry.count("a number of requests, such as 100", 0, findings));
    let health = section
        .get("health")
        .and_then(|entry| entry.section(findings))
        .map(|section| health(section, findings));
    let token = token(&mut section, context, findings);
    let binding_options_timeout =
        section.get("binding_options_timeout").and_then(|entry| entry.some_time(findings));
    let spared = section
        .get("disable_init_endpoints")
        .map(|entry| init_endpoints(&entry, findings))
        .unwrap_or_default();
    section.finish(&[], findings);
    AppSettings {
        port: port.unwrap_or_default(),
        protocol: protocol.unwrap_or(default.protocol),
        address: address.unwrap_or(default.address),
        max_concurrency: max_concurrency.unwrap_or(default.max_concurrency),
        health,
        token,
        binding_options_timeout: binding_options_timeout.unwrap_or(default.binding_options_timeout),
        ask_configuration: !spared.iter().any(|name| name == INIT_ENDPOINTS[0]),
        ask_subscriptions: !spared.iter().any(|name| name == INIT_ENDPOINTS[1]),
        ..default
    }
}

/// The application's port, where replug itself does not listen.
fn port(section: &mut Section<'_>, runtime: &Settings, findings: &mut Findings<'_>) -> Option<u16> {
    let Some(entry) = section.get("port") else {
        let help = "write the port that the application listens on, such as port = 8080, or take \
                    [app] out";
        findings.missing(&section.place, Fault::new("has no `port`", help));
        return None;
    };
    let number = entry.count("a port, such as 8080", 1, findings)?;
    let Ok(port) = u16::try_from(number) else {
        let fault = Fault::new(format!("is {number}"), "write a port from 1 to 65535");
        findings.error(&entry.place, fault);
        return None;
    };
    let own = runtime.listens.iter().find(
        |it| matches!(&it.value, Listen::Tcp(address) if address.port() == port && is_here(address.ip())),
    );
    if let Some(own) = own {
        let fault = Fault::new(
            format!("is {port}, where `{}` has replug itself listen", own.place.key),
            "write the port of the application, or let replug listen elsewhere",
        );
        findings.conflict(&entry.place, fault, &own.place, "replug's own");
    }
    Some(port)
}

/// Whether an application on this machine would be met at the address.
fn is_here(address: IpAddr) -> bool {
    address.is_loopback() || address.is_unspecified()
}

fn protocol(text: &str) -> Result<Protocol, Fault> {
    text.parse().map_err(|error| {
        let names = Protocol::ALL.map(Protocol::as_str);
        let help = nearest(text, names).map_or_else(
            || format!("there are {}", names.join(", ")),
            |name| format!("did you mean {name:?}?"),
        );
        Fault::new(format!("is {text:?}, {error}"), help)
    })
}

fn host(text: &str) -> Result<String, Fault> {
    let help = "write a name or an address without a port, such as \"127.0.0.1\"";
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    if bare.parse::<IpAddr>().is_ok() {
        return Ok(bare.to_owned());
    }
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.' | '_');
    if bare.is_empty() || !bare.chars().all(is_name) {
        return Err(Fault::new(format!("is {text:?}, which is no host"), help));
    }
    Ok(text.to_owned())
}

fn health(mut section: Section<'_>, findings: &mut Findings<'_>) -> HealthCheck {
    let default = HealthCheck::default();
    let path = section.get("path").and_then(|entry| {
        entry.parsed("a path in quotes, such as \"/healthz\"", findings, |text| {
            let is_path = text.starts_with('/')
                && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
            if is_path {
                return Ok(text.to_owned());
            }
            let help = "write a path that begins with a slash, such as \"/healthz\"";
            Err(Fault::new(format!("is {text:?}, which is no path"), help))
        })
    });
    let interval = section.get("interval").and_then(|entry| entry.some_time(findings));
    let timeout = section.get("timeout").and_then(|entry| entry.some_time(findings));
    let threshold = section
        .get("threshold")
        .and_then(|entry| entry.count("a number of failures, such as 3", 1, findings));
    let check = HealthCheck {
        path: path.unwrap_or(default.path),
        interval: interval.unwrap_or(default.interval),
        timeout: timeout.unwrap_or(default.timeout),
        threshold: threshold
            .map_or(default.threshold, |count| u32::try_from(count).unwrap_or(u32::MAX)),
    };
    if check.timeout > check.interval {
        let shown = |time: Duration| humantime::format_duration(time);
        let fault = Fault::new(
            format!("is {}, and `interval` is {}", shown(check.timeout), shown(check.interval)),
            "a check ends before the next one begins: write a shorter `timeout`",
        );
        findings.error(&section.place_of("timeout"), fault);
    }
    section.finish(&[], findings);
    check
}

/// What the application is shown: as it is written, or of the variable.
fn token(
    section: &mut Section<'_>,
    context: &Context<'_>,
    findings: &mut Findings<'_>,
) -> Option<AppToken> {
    let help = "write it without line ends and control characters";
    let invalid = |error: InvalidToken| Fault::new(format!("is unusable: {error}"), help);
    let Some(entry) = section.get("token") else {
        let set = context.surroundings.env.get(TOKEN_VARIABLE)?;
        return AppToken::new(set).unwrap_or_else(|error| {
            let message = format!("would take `token` from {TOKEN_VARIABLE}: {error}");
            findings.error(&section.place, Fault::new(message, help));
            None
        });
    };
    let text = match entry.value {
        DeValue::String(text) => Ok(text.to_string()),
        DeValue::Table(table) => match secret::reference(table, context) {
            Some(Ok(Referred::Value(secret))) => Ok(secret.expose().to_owned()),
            Some(Ok(Referred::Kept(_))) => Err(Fault::new(
                "takes what a secret store keeps, and is needed before there is one",
                "take it from elsewhere: { env = \"VAR\" }, { file = \"/PATH\" } or \
                 { credential = \"NAME\" }",
            )),
            Some(Err(fault)) => Err(fault),
            None => Err(Fault::new(
                "names no secret",
                "write { env = \"VAR\" }, { file = \"/PATH\" } or { credential = \"NAME\" }",
            )),
        },
        _ => {
            entry.mistyped("a text in quotes, or { env = \"VAR\" }", findings);
            return None;
        }
    };
    let token = text.and_then(|text| AppToken::new(&text).map_err(invalid));
    token.unwrap_or_else(|fault| {
        findings.error(&entry.place, fault);
        None
    })
}

fn init_endpoints(entry: &Entry<'_>, findings: &mut Findings<'_>) -> Vec<String> {
    let items = entry.array("an array out of \"config\" and \"subscribe\"", findings);
    let known = |text: &str| {
        if INIT_ENDPOINTS.contains(&text) {
            return Ok(text.to_owned());
        }
        let help = "there are \"config\" and \"subscribe\"";
        Err(Fault::new(format!("is {text:?}, which the application is not asked for"), help))
    };
    let items = items.unwrap_or_default();
    items.iter().filter_map(|item| item.parsed("a string, in quotes", findings, known)).collect()
}
