//! A relay of bytes that understands nothing, `socat`: what a process between costs at the least.

use std::path::Path;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use super::way::Address;
use crate::Failure;

/// A running relay. Killed when dropped.
pub(super) struct Relay {
    _child: Child,
    pub(super) address: Address,
}

impl Relay {
    /// From a TCP port to the socket. None where there is no `socat`.
    pub(super) async fn start(socket: &Path) -> Result<Option<Self>, Failure> {
        let mut command = Command::new("socat");
        command
            .args(["-d", "-d", "TCP-LISTEN:0,bind=127.0.0.1,nodelay,fork"])
            .arg(format!("UNIX-CONNECT:{}", socket.display()))
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let stderr = child.stderr.take().ok_or("socat has no standard error")?;
        let mut lines = BufReader::new(stderr).lines();
        // It says where it listens, and goes on saying things.
        while let Some(line) = lines.next_line().await? {
            if let Some((_, address)) = line.split_once("listening on AF=2 ") {
                let address = Address::Tcp(address.trim().to_owned());
                tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
                return Ok(Some(Self { _child: child, address }));
            }
        }
        Err("socat has not said where it listens".into())
    }
}
