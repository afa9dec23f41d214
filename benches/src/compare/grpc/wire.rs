//! A call over HTTP/2 on a connection of its own, and everything that comes back.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use h2::client::{self, SendRequest};
use h2::{RecvStream, SendStream};
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::call::Call;
use crate::Failure;

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(5);

/// The length of a message's prefix.
const PREFIX: usize = 5;

/// Fields that every call has, unless it replaces them.
const FIELDS: [(&str, &str); 2] = [("content-type", "application/grpc"), ("te", "trailers")];

/// Everything that came of a call.
#[derive(Debug, Default)]
pub(super) struct Heard {
    pub(super) http: u16,
    pub(super) head: HeaderMap,
    /// Messages with their flag.
    pub(super) messages: Vec<(u8, Bytes)>,
    /// None: the head was the end.
    pub(super) trailers: Option<HeaderMap>,
    /// How it ended otherwise.
    pub(super) broken: Option<String>,
}

/// A connection, for as long as it is held.
pub(super) struct Connection {
    send: SendRequest<Bytes>,
    driver: tokio::task::JoinHandle<()>,
}

/// What comes back of a call, message by message.
pub(super) struct Incoming {
    pub(super) body: RecvStream,
    kept: BytesMut,
}

/// Makes a call, and takes everything that comes back.
pub(super) async fn ask(address: SocketAddr, call: &Call, etag: &str) -> Result<Heard, Failure> {
    let whole = async {
        let mut connection = Connection::open(address).await?;
        let (answer, mut stream) = connection.begin(&call.path, &call.fields)?;
        // The peer may have refused the call already.
        let _ = stream.send_data(call.body(etag).into(), true);
        Ok::<_, Failure>(hear(answer).await)
    };
    timeout(ANSWER, whole).await.map_err(|_| "no answer")?
}

async fn hear(answer: client::ResponseFuture) -> Heard {
    let mut heard = Heard::default();
    match answer.await {
        Ok(answer) => {
            let (parts, body) = answer.into_parts();
            heard.http = parts.status.as_u16();
            heard.head = parts.headers;
            let mut incoming = Incoming::new(body);
            loop {
                match incoming.next().await {
                    Ok(Some(message)) => heard.messages.push(message),
                    Ok(None) => break,
                    Err(error) => {
                        heard.broken = Some(error.to_string());
                        return heard;
                    }
                }
            }
            match incoming.body.trailers().await {
                Ok(trailers) => heard.trailers = trailers,
                Err(error) => heard.broken = Some(error.to_string()),
            }
        }
        Err(error) => heard.broken = Some(error.to_string()),
    }
    heard
}

// === impl Connection ===

impl Connection {
    pub(super) async fn open(address: SocketAddr) -> Result<Self, Failure> {
        let io = TcpStream::connect(address).await?;
        io.set_nodelay(true)?;
        let (send, driver) = client::handshake(io).await?;
        let driver = tokio::spawn(async move {
            // How it ends is seen by the call over it.
            let _ = driver.await;
        });
        Ok(Self { send: send.ready().await?, driver })
    }

    /// Sends the head of a call.
    pub(super) fn begin(
        &mut self,
        path: &str,
        fields: &[(&'static str, String)],
    ) -> Result<(client::ResponseFuture, SendStream<Bytes>), Failure> {
        let method = own(fields, ":method").unwrap_or("POST");
        let mut request =
            Request::builder().method(method).uri(format!("http://localhost{path}")).body(())?;
        for (name, value) in FIELDS {
            if own(fields, name).is_none() {
                request.headers_mut().append(name, HeaderValue::from_static(value));
            }
        }
        for (name, value) in fields {
            if !name.starts_with(':') && !value.is_empty() {
                let value = HeaderValue::from_bytes(value.as_bytes())?;
                request.headers_mut().append(HeaderName::from_static(name), value);
            }
        }
        Ok(self.send.send_request(request, false)?)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

fn own<'f>(fields: &'f [(&'static str, String)], name: &str) -> Option<&'f str> {
    fields.iter().find(|(it, _)| *it == name).map(|(_, value)| value.as_str())
}

// === impl Incoming ===

impl Incoming {
    pub(super) fn new(body: RecvStream) -> Self {
        Self { body, kept: BytesMut::new() }
    }

    /// The next message and its flag; none: there are no more.
    pub(super) async fn next(&mut self) -> Result<Option<(u8, Bytes)>, Failure> {
        loop {
            if self.kept.len() >= PREFIX {
                let length =
                    self.kept[1..PREFIX].iter().fold(0, |n, byte| n << 8 | usize::from(*byte));
                if self.kept.len() >= PREFIX + length {
                    let mut message = self.kept.split_to(PREFIX + length).freeze();
                    let flag = message[0];
                    return Ok(Some((flag, message.split_off(PREFIX))));
                }
            }
            match self.body.data().await {
                Some(data) => {
                    let data = data?;
                    self.body.flow_control().release_capacity(data.len())?;
                    self.kept.extend_from_slice(&data);
                }
                None if self.kept.is_empty() => return Ok(None),
                None => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            }
        }
    }
}
