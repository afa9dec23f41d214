//! One request and its answer over a connection of their own.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use tokio::time::timeout;

use crate::compare::chunked;

/// How long an answer may take. A sidecar that waits for more of a request says nothing for as long.
const ANSWER: Duration = Duration::from_secs(3);

/// Where an answer comes from.
type Reading = BufReader<OwnedReadHalf>;

/// An answer as it came.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) status: String,
    /// Names as they were written.
    pub(super) fields: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

/// Sends those bytes, and reads an answer.
pub(super) async fn ask(address: SocketAddr, request: &[u8]) -> io::Result<Answer> {
    let exchanged = timeout(ANSWER, async {
        let stream = TcpStream::connect(address).await?;
        let (reading, mut writing) = stream.into_split();
        // Whoever turns a request away while it is being sent has answered all the same.
        let sent = async {
            let _ = writing.write_all(request).await;
            std::future::pending::<()>().await;
        };
        let head_only = request.starts_with(b"HEAD ");
        let mut reading = BufReader::new(reading);
        tokio::select! {
            () = sent => unreachable!("it never ends"),
            answer = read(&mut reading, head_only) => answer,
        }
    });
    exchanged.await.unwrap_or_else(|_| Err(io::Error::other("nothing came")))
}

/// Reads an answer, and what it has for a body.
async fn read(stream: &mut Reading, head_only: bool) -> io::Result<Answer> {
    let mut answer = head(stream).await?;
    while answer.status.starts_with("HTTP/1.1 1") {
        answer = head(stream).await?;
    }
    let status = answer.status.split(' ').nth(1).unwrap_or_default();
    if head_only || status == "204" || status == "304" {
        return Ok(answer);
    }
    if answer.field("transfer-encoding").is_some() {
        answer.body = chunked::body(stream).await?;
    } else if let Some(length) = answer.field("content-length") {
        let mut body = vec![0; length.parse().map_err(io::Error::other)?];
        stream.read_exact(&mut body).await?;
        answer.body = body;
    } else {
        // A connection that is reset has told what it had to tell.
        let _ = stream.read_to_end(&mut answer.body).await;
    }
    Ok(answer)
}

async fn head(stream: &mut Reading) -> io::Result<Answer> {
    let mut answer = Answer { status: chunked::line(stream).await?, ..Answer::default() };
    if answer.status.is_empty() {
        return Err(io::Error::other("the connection was closed"));
    }
    loop {
        let line = chunked::line(stream).await?;
        let Some((name, value)) = line.split_once(':') else { return Ok(answer) };
        answer.fields.push((name.to_owned(), value.trim().to_owned()));
    }
}

// === impl Answer ===

impl Answer {
    /// The value of a field, whatever case its name is written in.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.fields.iter();
        fields.find(|(it, _)| it.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}
