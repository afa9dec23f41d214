//! What the plugin tells by `sd_notify`: whatever the test wants, when it wants it.

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::{UnixDatagram, UnixStream};

/// Where the test says what is to be told: a socket that it listens on. Every line is a message, in
/// which a tab stands for the end of a line.
const VARIABLE: &str = "MISBEHAVE_TELLS";

/// Tells replug what the test wants, until the test has no more.
pub(crate) async fn tell_on() -> std::io::Result<()> {
    let (Some(test), Some(replug)) =
        (std::env::var_os(VARIABLE), std::env::var_os("NOTIFY_SOCKET"))
    else {
        return Ok(());
    };
    let mut lines = BufReader::new(UnixStream::connect(test).await?).lines();
    let socket = UnixDatagram::unbound()?;
    while let Some(line) = lines.next_line().await? {
        socket.send_to(line.replace('\t', "\n").as_bytes(), &replug).await?;
    }
    Ok(())
}
