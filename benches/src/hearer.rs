//! An application that is told of messages over HTTP, as cheaply as it can be: it knows a message by
//! the number in it, and answers that all is well.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};

use crate::Failure;
use crate::plugin::{BUS, TOPIC};

/// What stands before the number of a message.
const MARK: &str = "message-";

/// How many digits the number has.
const DIGITS: usize = 12;

/// Room that a connection reads into, in bytes.
const ROOM: usize = 16 << 10;

/// Who waits for the messages that have not come.
type Expected = Arc<Mutex<HashMap<u64, oneshot::Sender<()>>>>;

/// A running application. Its connections end with it.
#[derive(Debug)]
pub(crate) struct Hearer {
    address: SocketAddr,
    expected: Expected,
    serving: JoinHandle<()>,
}

impl Drop for Hearer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// What a message of that number says, in so many bytes at the least.
pub(crate) fn message(number: u64, size: usize) -> String {
    let mut text = format!("{MARK}{number:0DIGITS$} ");
    text.extend(std::iter::repeat_n('m', size.saturating_sub(text.len())));
    text
}

// === impl Hearer ===

impl Hearer {
    pub(crate) async fn start() -> Result<Self, Failure> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let expected = Expected::default();
        let serving = tokio::spawn(accept(listener, expected.clone()));
        Ok(Self { address, expected, serving })
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Resolves when the message of that number is delivered for the first time from now on.
    pub(crate) fn expect(&self, number: u64) -> oneshot::Receiver<()> {
        let (tell, told) = oneshot::channel();
        self.expected.lock().unwrap_or_else(PoisonError::into_inner).insert(number, tell);
        told
    }
}

async fn accept(listener: TcpListener, expected: Expected) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(serve(stream, expected.clone()));
        while connections.try_join_next().is_some() {}
    }
}

/// Answers until the other side hangs up, or sends what is not understood here.
async fn serve(mut stream: TcpStream, expected: Expected) {
    let mut read = BytesMut::with_capacity(ROOM);
    let subscribed = format!(r#"[{{"pubsubname":{BUS:?},"topic":{TOPIC:?},"route":"/heard"}}]"#);
    let subscribed = answer("200 OK", &subscribed);
    let (well, unknown) = (answer("200 OK", ""), answer("404 Not Found", ""));
    if stream.set_nodelay(true).is_err() {
        return;
    }
    loop {
        while let Some((head, body)) = request(&read) {
            let is_post = read.starts_with(b"POST ");
            let told = if is_post {
                if let Some(number) = number(&read[head..head + body]) {
                    let mut expected = expected.lock().unwrap_or_else(PoisonError::into_inner);
                    if let Some(tell) = expected.remove(&number) {
                        let _ = tell.send(());
                    }
                }
                &well
            } else if read.starts_with(b"GET /dapr/subscribe ") {
                &subscribed
            } else {
                &unknown
            };
            read.advance(head + body);
            if stream.write_all(told.as_bytes()).await.is_err() {
                return;
            }
        }
        read.reserve(ROOM);
        if !matches!(stream.read_buf(&mut read).await, Ok(1..)) {
            return;
        }
    }
}

fn answer(status: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n\
         {body}"
    )
}

/// How long the head and the body are of the first request, once it is there as a whole.
fn request(read: &[u8]) -> Option<(usize, usize)> {
    const END: &[u8] = b"\r\n\r\n";
    let head = read.windows(END.len()).position(|part| part == END)? + END.len();
    let text = String::from_utf8_lossy(&read[..head]);
    let body = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    let body = body.unwrap_or(0);
    (read.len() >= head + body).then_some((head, body))
}

/// The number of the message in an event.
fn number(event: &[u8]) -> Option<u64> {
    let mark = event.windows(MARK.len()).position(|part| part == MARK.as_bytes())?;
    let digits = event[mark..].get(MARK.len()..MARK.len() + DIGITS)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_seen_when_it_is_whole_and_its_message_by_its_number() {
        let body = format!(r#"{{"data":"{}"}}"#, message(42, 100));
        let whole = format!("POST / HTTP/1.1\r\ncontent-LENGTH: {}\r\n\r\n{body}", body.len());
        let whole = whole.as_bytes();
        assert_eq!(request(&whole[..whole.len() - 1]), None);
        let (head, length) = request(whole).unwrap();
        assert_eq!((head + length, length), (whole.len(), body.len()));
        assert_eq!(number(&whole[head..]), Some(42));
        assert_eq!(number(b"message-"), None);
        assert_eq!(message(1, 512).len(), 512);
    }
}
