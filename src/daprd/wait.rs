//! `--wait`: until the sidecar that is already running is ready.

use std::io::{Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::{Duration, Instant};

/// How often it is asked, for how long, and how long an answer may take. There is nothing to wait
/// for: the sidecar may not have been started yet.
const EVERY: Duration = Duration::from_millis(100);
const AT_MOST: Duration = Duration::from_secs(60);
const PER_TRY: Duration = Duration::from_millis(500);

/// Waits. As in daprd it makes no difference to the exit code what came of it.
pub(super) fn wait(http_port: &str) {
    let place = format!("localhost:{http_port}");
    eprintln!("waiting for the Dapr sidecar to be ready at http://{place}/v1.0/healthz/outbound");
    let until = Instant::now() + AT_MOST;
    while Instant::now() < until {
        if is_ready(&place) {
            eprintln!("Dapr outbound is ready");
            return;
        }
        std::thread::sleep(EVERY);
    }
    eprintln!("timeout waiting for Dapr outbound to become ready");
}

fn is_ready(place: &str) -> bool {
    let asked = || -> std::io::Result<bool> {
        for address in place.to_socket_addrs()? {
            let Ok(mut stream) = TcpStream::connect_timeout(&address, PER_TRY) else { continue };
            stream.set_read_timeout(Some(PER_TRY))?;
            write!(
                stream,
                "GET /v1.0/healthz/outbound HTTP/1.1\r\nHost: {place}\r\nConnection: close\r\n\r\n"
            )?;
            let mut head = [0; 12];
            stream.read_exact(&mut head)?;
            return Ok(head.ends_with(b" 204"));
        }
        Ok(false)
    };
    asked().unwrap_or(false)
}
