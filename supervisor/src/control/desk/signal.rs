//! `Signal`: a signal to a plugin's process group.

use std::str::FromStr as _;

use replug_proto::replug::control::v1 as pb;
use tonic::Status;

use super::{Desk, refusal};
use crate::control::convert;
use crate::process::Signal;

pub(super) async fn signal(
    desk: &Desk,
    request: pb::SignalRequest,
) -> Result<pb::SignalResponse, Status> {
    let signal = named(&request.signal).ok_or_else(|| {
        let what = &request.signal;
        Status::invalid_argument(format!(
            "there is no signal `{what}`: write a name such as HUP or SIGUSR1, or a number"
        ))
    })?;
    let status = desk.supervisor.signal(&request.plugin, signal).await.map_err(refusal)?;
    let signal = signal.as_str().to_owned();
    Ok(pb::SignalResponse { plugin: Some(convert::plugin(&status)), signal })
}

/// A signal by its name, with or without SIG and however it is written, or by its number.
fn named(text: &str) -> Option<Signal> {
    if let Ok(number) = text.parse::<i32>() {
        return Signal::try_from(number).ok();
    }
    let name = text.to_ascii_uppercase();
    let name = if name.starts_with("SIG") { name } else { format!("SIG{name}") };
    Signal::from_str(&name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_has_a_name_and_a_number() {
        for text in ["HUP", "SIGHUP", "hup", "sighup", "1"] {
            assert_eq!(named(text), Some(Signal::SIGHUP), "{text}");
        }
        for text in ["", "SIG", "HUPP", "0", "-1", "999", "1.0"] {
            assert_eq!(named(text), None, "{text}");
        }
    }
}
