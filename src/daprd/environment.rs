//! The variables that daprd sets in its own environment, for plugins and for secret stores that
//! read it.
//!
//! A process cannot safely change its environment, so replug executes itself once more in its own
//! place, with the variables set: the process stays the same.

use std::ffi::OsString;
use std::io;
use std::net::UdpSocket;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use super::settings::Settings;

/// Addresses that nothing answers at; which of the machine's own would be used towards them is what
/// it is called by.
const NOWHERE: [&str; 2] = ["192.0.2.1:9", "[2001:db8::1]:9"];

/// Goes on with the variables set. Returns where they are, or where that cannot be done.
pub(super) fn settle(settings: &Settings, args: &[OsString]) -> Result<(), String> {
    let host = host_address();
    let wanted = [
        ("APP_ID", settings.app_id.clone()),
        ("APP_PORT", settings.app.port.to_string()),
        ("HOST_ADDRESS", host),
        ("DAPR_PORT", settings.internal_port.to_string()),
        ("DAPR_GRPC_PORT", settings.grpc_port.to_string()),
        ("DAPR_HTTP_PORT", settings.http_port.to_string()),
        ("DAPR_METRICS_PORT", settings.metrics_port.to_string()),
        ("DAPR_PROFILE_PORT", settings.profile_port.to_string()),
    ];
    if wanted.iter().all(|(name, value)| std::env::var(name).as_ref() == Ok(value)) {
        return Ok(());
    }
    let program =
        std::env::current_exe().map_err(|error| format!("cannot find replug: {error}"))?;
    let mut arguments = args.iter();
    let mut command = Command::new(program);
    if let Some(name) = arguments.next() {
        command.arg0(name);
    }
    let error: io::Error = command.args(arguments).envs(wanted).exec();
    Err(format!("cannot set the environment: {error}"))
}

/// How others reach this machine.
fn host_address() -> String {
    if let Ok(given) = std::env::var("DAPR_HOST_IP")
        && !given.is_empty()
    {
        return given;
    }
    let towards = |nowhere: &str| {
        let local = if nowhere.starts_with('[') { "[::]:0" } else { "0.0.0.0:0" };
        let socket = UdpSocket::bind(local)?;
        socket.connect(nowhere)?;
        socket.local_addr().map(|address| address.ip().to_string())
    };
    let found = NOWHERE.into_iter().find_map(|nowhere| towards(nowhere).ok());
    // A machine without a network has itself.
    found.unwrap_or_else(|| "127.0.0.1".to_owned())
}
