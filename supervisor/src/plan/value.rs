//! Texts that mean something: durations, sizes, signals, addresses.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::time::Duration;

use nix::sys::signal::Signal;
use toml::de::DeInteger;

use super::nearest::nearest;
use super::place::Fault;
use super::{Listen, SOCKET_PATH_LIMIT};

/// The longest duration that a plan may ask for. More is a slip, and would overflow clocks.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// An integer in any of TOML's notations.
pub(super) fn integer(number: &DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}

/// `500ms`, `30s`, `1h30m`.
pub(super) fn duration(text: &str) -> Result<Duration, Fault> {
    let fault = || {
        let help = "write a number and a unit out of ms, s, m, h and d, such as \"500ms\", \"30s\" \
                    or \"1h30m\"";
        Fault::new(format!("is {text:?}, which is no duration"), help)
    };
    // To the parser an `M` is a month; whoever writes it means minutes.
    if text.contains('M') {
        return Err(Fault::new(
            format!("is {text:?}, which is no duration"),
            format!("write minutes with a small m: {:?}", text.replace('M', "m")),
        ));
    }
    let duration = humantime::parse_duration(text).map_err(|_| fault())?;
    if duration > LONGEST {
        return Err(Fault::new(format!("is {text:?}"), "write at most \"365d\""));
    }
    Ok(duration)
}

/// `64M`, `1G`, or a number of bytes. A unit is 1024 of the one before it.
pub(super) fn size(text: &str) -> Result<u64, Fault> {
    let fault = || {
        Fault::new(
            format!("is {text:?}, which is no size"),
            "write a whole number and a unit out of K, M, G and T (of 1024), such as \"64M\"",
        )
    };
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let shift = match unit {
        "" => 0,
        "K" | "Ki" | "KiB" => 10,
        "M" | "Mi" | "MiB" => 20,
        "G" | "Gi" | "GiB" => 30,
        "T" | "Ti" | "TiB" => 40,
        _ => return Err(fault()),
    };
    let number: u64 = number.parse().map_err(|_| fault())?;
    number.checked_mul(1 << shift).ok_or_else(fault)
}

/// `SIGTERM`, or `TERM`.
pub(super) fn signal(text: &str) -> Result<Signal, Fault> {
    let upper = text.to_ascii_uppercase();
    let full = if upper.starts_with("SIG") { upper } else { format!("SIG{upper}") };
    Signal::from_str(&full).map_err(|_| {
        let near = nearest(&full, Signal::iterator().map(Signal::as_str));
        Fault::new(
            format!("is {text:?}, which is no signal"),
            near.map_or_else(
                || "write a signal's name, such as \"SIGTERM\"".to_owned(),
                |name| format!("did you mean {name:?}?"),
            ),
        )
    })
}

/// `IP:PORT`, `localhost:PORT` or `unix:PATH`, whose path `absolute` makes one from the root.
pub(super) fn listen(text: &str, absolute: impl Fn(&str) -> PathBuf) -> Result<Listen, Fault> {
    let fault = |message: &str| {
        let help = "write \"IP:PORT\", \"localhost:PORT\" or \"unix:/PATH.sock\"";
        Err(Fault::new(format!("is {text:?}, {message}"), help))
    };
    if let Some(path) = text.strip_prefix("unix:") {
        if path.is_empty() {
            return fault("which has no path");
        }
        os_text(path)?;
        let path = absolute(path);
        socket_path(&path)?;
        return Ok(Listen::Unix(path));
    }
    if let Some(port) = text.strip_prefix("localhost:") {
        return match port.parse() {
            Ok(port) => Ok(Listen::Tcp(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port))),
            Err(_) => fault("which has no port from 0 to 65535 after `localhost:`"),
        };
    }
    match text.parse() {
        Ok(address) => Ok(Listen::Tcp(address)),
        Err(_) if text.parse::<IpAddr>().is_ok() => fault("which has no port"),
        Err(_) => fault("which is no address to listen at"),
    }
}

/// That a socket can be bound at `path`.
pub(super) fn socket_path(path: &Path) -> Result<(), Fault> {
    let length = path.as_os_str().len();
    if length <= SOCKET_PATH_LIMIT {
        return Ok(());
    }
    Err(Fault::new(
        format!("makes a socket path of {length} bytes ({})", path.display()),
        format!("a socket path may have {SOCKET_PATH_LIMIT} bytes: write a shorter one"),
    ))
}

/// That the system takes the text as a path, an argument or a variable.
pub(super) fn os_text(text: &str) -> Result<(), Fault> {
    if text.contains('\0') {
        return Err(Fault::new("has a zero byte in it", "take the \\u0000 out"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(duration("5m"), Ok(Duration::from_secs(300)));
        assert_eq!(duration("1h30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(duration("0s"), Ok(Duration::ZERO));
        for wrong in ["", "5", "s", "-1s", "5 parsecs", "5M", "366d", "99999999999999999999s", "\0"]
        {
            assert!(duration(wrong).is_err(), "{wrong:?}");
        }
        assert_eq!(
            duration("5M").unwrap_err().help.unwrap(),
            "write minutes with a small m: \"5m\""
        );
    }

    #[test]
    fn sizes_are_of_1024() {
        assert_eq!(size("4M"), Ok(4 << 20));
        assert_eq!(size("1GiB"), Ok(1 << 30));
        assert_eq!(size("17"), Ok(17));
        for wrong in ["", "M", "4MB", "4 M", "-4M", "1.5G", "99999999999T"] {
            assert!(size(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn signals_go_by_either_name() {
        assert_eq!(signal("SIGTERM"), Ok(Signal::SIGTERM));
        assert_eq!(signal("int"), Ok(Signal::SIGINT));
        assert_eq!(signal("SIGTREM").unwrap_err().help.unwrap(), "did you mean \"SIGTERM\"?");
        assert!(signal("").is_err());
    }

    #[test]
    fn addresses_are_of_tcp_or_unix() {
        let at = |text| listen(text, |path| Path::new("/plan").join(path));
        assert_eq!(at("0.0.0.0:0"), Ok(Listen::Tcp("0.0.0.0:0".parse().unwrap())));
        assert_eq!(at("[::1]:80"), Ok(Listen::Tcp("[::1]:80".parse().unwrap())));
        assert_eq!(at("localhost:80"), Ok(Listen::Tcp("127.0.0.1:80".parse().unwrap())));
        assert_eq!(at("unix:/run/a.sock"), Ok(Listen::Unix("/run/a.sock".into())));
        assert_eq!(at("unix:a.sock"), Ok(Listen::Unix("/plan/a.sock".into())));
        let long = format!("unix:/{}", "x".repeat(107));
        for wrong in ["", "80", "127.0.0.1", "localhost", "localhost:x", "unix:", "a:b", &long] {
            assert!(at(wrong).is_err(), "{wrong:?}");
        }
    }
}
