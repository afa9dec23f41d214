//! How a connection to one Redis server is made: socket, TLS, login.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisConnectionInfo, RedisResult};
use replug_component::Error;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

use super::settings::{Address, Settings, Tls};
use crate::builtin::setting::Secret;
use crate::builtin::tls::Trust;

/// How many commands may wait to be written. More wait in their order.
const QUEUED_COMMANDS: usize = 1024;

/// A connection, and the task that moves its bytes, which ends when it is lost.
pub(super) struct Line {
    pub(super) connection: MultiplexedConnection,
    driver: JoinHandle<()>,
}

impl Line {
    /// Whether its bytes still move.
    pub(super) fn lives(&self) -> bool {
        !self.driver.is_finished()
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Makes connections with one login, to any server.
pub(super) struct Dialer {
    login: RedisConnectionInfo,
    tls: Option<TlsConnector>,
    timeout: Option<Duration>,
}

impl Dialer {
    /// For the servers that keep the data.
    pub(super) fn new(settings: &Settings) -> Result<Self, Error> {
        let login = login(settings.username.as_deref(), settings.password.as_ref());
        Ok(Self {
            login: login.set_db(settings.database),
            tls: settings.tls.as_ref().map(connector).transpose()?,
            timeout: settings.dial_timeout,
        })
    }

    /// The same for sentinels, which have a login of their own.
    pub(super) fn for_sentinels(&self, username: Option<&str>, password: Option<&Secret>) -> Self {
        Self { login: login(username, password), tls: self.tls.clone(), timeout: self.timeout }
    }

    /// Dials once.
    pub(super) async fn dial(&self, address: &Address) -> RedisResult<Line> {
        let dialling = async {
            let config = AsyncConnectionConfig::new()
                .set_response_timeout(None)
                .set_pipeline_buffer_size(QUEUED_COMMANDS);
            let stream = self.stream(address).await?;
            MultiplexedConnection::new_with_config(&self.login, stream, config).await
        };
        let (connection, driver) = match self.timeout {
            Some(timeout) => tokio::time::timeout(timeout, dialling).await.unwrap_or_else(|_| {
                let text = format!(
                    "no connection within {} (`dialTimeout`)",
                    humantime::format_duration(timeout)
                );
                Err(std::io::Error::new(std::io::ErrorKind::TimedOut, text).into())
            }),
            None => dialling.await,
        }?;
        Ok(Line { connection, driver: tokio::spawn(driver) })
    }

    async fn stream(&self, address: &Address) -> std::io::Result<Pin<Box<dyn Stream>>> {
        match address {
            Address::Unix(path) => Ok(Box::pin(UnixStream::connect(path).await?)),
            Address::Tcp(host, port) => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                stream.set_nodelay(true)?;
                let Some(tls) = &self.tls else {
                    return Ok(Box::pin(stream));
                };
                let name = ServerName::try_from(host.clone()).map_err(|_| {
                    let text = format!("`{host}` is no name of a host that TLS could look for");
                    std::io::Error::new(std::io::ErrorKind::InvalidInput, text)
                })?;
                Ok(Box::pin(tls.connect(name, stream).await?))
            }
        }
    }
}

fn login(username: Option<&str>, password: Option<&Secret>) -> RedisConnectionInfo {
    let mut login = RedisConnectionInfo::default();
    if let Some(username) = username {
        login = login.set_username(username);
    }
    if let Some(password) = password {
        login = login.set_password(password.reveal());
    }
    login
}

fn connector(tls: &Tls) -> Result<TlsConnector, Error> {
    let client = tls.client.as_ref().map(|(cert, key)| (cert.as_str(), key.reveal()));
    let trust = Trust { root: None, client, anybody: tls.anybody };
    Ok(TlsConnector::from(Arc::new(trust.config()?)))
}
