//! One Redis server, and the one connection to it that all calls share: dialled when it is needed,
//! and again when it is lost.
//!
//! What was never sent is sent over the next connection. What was under way when the connection was
//! lost is sent again where that changes nothing, and fails otherwise: it may have been carried out.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Pipeline, RedisConnectionInfo, RedisError, RedisResult, Value};
use replug_component::Error;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

use super::settings::{Address, Settings};
use crate::builtin::tls::Trust;

/// How many commands may wait to be written. More wait in their order.
const QUEUED_COMMANDS: usize = 1024;

/// What a request does, which says what may be done with it when its answer is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::builtin) enum Doing {
    /// Sent again when its answer is lost.
    Read,
    /// Not sent again.
    Write,
}

/// A server. Dropped, it closes the connection.
pub(in crate::builtin) struct Server {
    settings: Settings,
    login: RedisConnectionInfo,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    line: ArcSwapOption<Line>,
    /// Held by who dials. In it is why the last dial failed.
    dialing: Mutex<Option<Error>>,
    /// How many dials have ended.
    dials: AtomicU64,
}

/// A connection, and the task that moves its bytes, which ends when it is lost.
struct Line {
    connection: MultiplexedConnection,
    driver: JoinHandle<()>,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl Server {
    /// The server of these settings. Nothing is dialled yet.
    pub(in crate::builtin) fn new(settings: Settings) -> Result<Self, Error> {
        let mut login = RedisConnectionInfo::default().set_db(settings.database);
        if let Some(username) = &settings.username {
            login = login.set_username(username);
        }
        if let Some(password) = &settings.password {
            login = login.set_password(password.reveal());
        }
        let tls = match (&settings.tls, &settings.address) {
            (None, _) => None,
            (Some(_), Address::Unix(_)) => {
                return Err(Error::Invalid(
                    "`enableTLS` is for TCP and `redisHost` is a Unix socket".into(),
                ));
            }
            (Some(tls), Address::Tcp(host, _)) => {
                let client = tls.client.as_ref().map(|(cert, key)| (cert.as_str(), key.reveal()));
                let trust = Trust { root: None, client, anybody: tls.anybody };
                let name = ServerName::try_from(host.clone()).map_err(|_| {
                    Error::Invalid(format!("`redisHost` is `{host}`, which is no name of a host"))
                })?;
                Some((TlsConnector::from(Arc::new(trust.config()?)), name))
            }
        };
        let line = ArcSwapOption::empty();
        let (dialing, dials) = (Mutex::new(None), AtomicU64::new(0));
        Ok(Self { settings, login, tls, line, dialing, dials })
    }

    /// Sends commands and gives what is answered to each, which may be an error of the server's.
    /// Given up when dropped.
    pub(in crate::builtin) async fn ask(
        &self,
        doing: Doing,
        commands: &Pipeline,
    ) -> Result<Vec<Value>, Error> {
        self.ask_for(Duration::ZERO, doing, commands).await
    }

    /// As [`ask`](Self::ask), of commands that the server `holds` before it answers.
    pub(in crate::builtin) async fn ask_for(
        &self,
        holds: Duration,
        doing: Doing,
        commands: &Pipeline,
    ) -> Result<Vec<Value>, Error> {
        let mut may_send_again = doing == Doing::Read;
        loop {
            let line = self.line().await?;
            let mut connection = line.connection.clone();
            if let Some(timeout) = self.timeout(doing) {
                connection.set_response_timeout(timeout + holds);
            }
            let error = match connection.send_packed_commands(commands, 0, commands.len()).await {
                Ok(answers) => return Ok(answers),
                Err(error) => error,
            };
            if !error.is_io_error() {
                return Err(self.failed(doing, &error));
            }
            // Calls that wait for their answers on it keep it until they have them.
            self.line.compare_and_swap(&line, None);
            if error.is_timeout() || !may_send_again {
                return Err(self.failed(doing, &error));
            }
            may_send_again = false;
        }
    }

    /// Whether the server answers at this moment.
    pub(in crate::builtin) async fn ping(&self) -> Result<(), Error> {
        let mut commands = Pipeline::with_capacity(1);
        commands.cmd("PING");
        match self.ask(Doing::Read, &commands).await?.into_iter().next() {
            Some(Value::ServerError(error)) => Err(self.told(error.to_string())),
            _ => Ok(()),
        }
    }

    fn timeout(&self, doing: Doing) -> Option<Duration> {
        match doing {
            Doing::Read => self.settings.read_timeout,
            Doing::Write => self.settings.write_timeout,
        }
    }

    /// The connection that there is, or a new one.
    async fn line(&self) -> Result<Arc<Line>, Error> {
        let living = || self.line.load_full().filter(|line| !line.driver.is_finished());
        if let Some(line) = living() {
            return Ok(line);
        }
        let ended = self.dials.load(Ordering::Acquire);
        let mut last = self.dialing.lock().await;
        if let Some(line) = living() {
            return Ok(line);
        }
        // Whoever waited for a dial has its answer, or they would all dial one after the other.
        if self.dials.load(Ordering::Acquire) != ended
            && let Some(error) = &*last
        {
            return Err(error.clone());
        }
        let dialled = self.dial().await.map(Arc::new);
        *last = dialled.as_ref().err().cloned();
        self.dials.fetch_add(1, Ordering::Release);
        let line = dialled?;
        self.line.store(Some(line.clone()));
        Ok(line)
    }

    /// Dials until it succeeds or the retries are used up.
    async fn dial(&self) -> Result<Line, Error> {
        let mut pause = self.settings.min_pause;
        for _ in 0..self.settings.retries {
            match self.dial_once().await {
                Ok(line) => return Ok(line),
                // A server that is there and says no is not asked again.
                Err(error) if !error.is_io_error() => return Err(self.unreachable(&error)),
                Err(_) => tokio::time::sleep(pause).await,
            }
            pause = (pause * 2).min(self.settings.max_pause);
        }
        self.dial_once().await.map_err(|error| self.unreachable(&error))
    }

    async fn dial_once(&self) -> RedisResult<Line> {
        let dialling = async {
            let config = AsyncConnectionConfig::new()
                .set_response_timeout(None)
                .set_pipeline_buffer_size(QUEUED_COMMANDS);
            let stream = self.stream().await?;
            MultiplexedConnection::new_with_config(&self.login, stream, config).await
        };
        let (connection, driver) = match self.settings.dial_timeout {
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

    async fn stream(&self) -> std::io::Result<Pin<Box<dyn Stream>>> {
        match &self.settings.address {
            Address::Unix(path) => Ok(Box::pin(UnixStream::connect(path).await?)),
            Address::Tcp(host, port) => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                stream.set_nodelay(true)?;
                match &self.tls {
                    None => Ok(Box::pin(stream)),
                    Some((tls, name)) => Ok(Box::pin(tls.connect(name.clone(), stream).await?)),
                }
            }
        }
    }

    fn unreachable(&self, error: &RedisError) -> Error {
        self.told(format!("cannot connect: {error}"))
    }

    fn failed(&self, doing: Doing, error: &RedisError) -> Error {
        if error.is_timeout() {
            let (name, timeout) = match doing {
                Doing::Read => ("readTimeout", self.settings.read_timeout),
                Doing::Write => ("writeTimeout", self.settings.write_timeout),
            };
            let timeout = humantime::format_duration(timeout.unwrap_or_default());
            return self.told(format!("no answer within {timeout} (`{name}`)"));
        }
        match doing {
            Doing::Write if error.is_io_error() => self.told(format!(
                "the connection was lost, and whether the write has happened is not known: {error}"
            )),
            _ => self.told(error.to_string()),
        }
    }

    /// An error of this server, without its password.
    pub(in crate::builtin) fn told(&self, text: String) -> Error {
        let text = match &self.settings.password {
            Some(password) => password.taken_out_of(text),
            None => text,
        };
        Error::Failed(format!("redis {}: {text}", self.settings.address))
    }
}
