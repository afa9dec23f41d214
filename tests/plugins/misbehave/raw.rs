//! A server that speaks no protocol at all.

use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixListener;

/// Looks enough like a server to be taken for one, and is none that speaks HTTP/2.
const NONSENSE: &[u8] = b"220 misbehave ESMTP ready\r\n\0\xff\xff\xff\xff";

/// Answers every connection with nonsense and closes it.
pub(crate) async fn speak_nonsense(listener: UnixListener) -> std::io::Result<()> {
    loop {
        let (mut connection, _) = listener.accept().await?;
        // The other side may be gone already, which is its right.
        drop(connection.write_all(NONSENSE).await);
    }
}
