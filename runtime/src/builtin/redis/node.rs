//! One Redis server, and the one connection to it that all calls share: dialled when it is needed,
//! and again when it is lost. Which server that is may be for sentinels to say.
//!
//! What was never sent is sent over the next connection. What was under way when the connection was
//! lost is sent again where that changes nothing, and fails otherwise: it may have been carried out.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use redis::{Pipeline, RedisError, Value, cmd};
use replug_component::Error;

use super::dial::{Dialer, Line};
use super::one_for_all::OneForAll;
use super::sentinel::Sentinels;
use super::server::Doing;
use super::settings::{Address, Settings};

/// A server. Dropped, it closes the connection.
pub(super) struct Node {
    settings: Arc<Settings>,
    dialer: Arc<Dialer>,
    place: Place,
    /// How often a dial that fails is tried again.
    retries: u32,
    line: ArcSwapOption<Line>,
    dialling: OneForAll,
}

/// Where the server is.
pub(super) enum Place {
    /// There, always.
    At(Address),
    /// Where these say at the moment.
    Asked(Sentinels),
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::At(address) => address.fmt(f),
            Self::Asked(sentinels) => sentinels.fmt(f),
        }
    }
}

/// Why there is no answer.
pub(super) enum Miss {
    /// Nothing was sent.
    Unsent(Error),
    /// The connection was lost before the answer came.
    Lost(Error),
    /// Any other reason; nothing is to be tried again.
    Failed(Error),
}

impl From<Miss> for Error {
    fn from(miss: Miss) -> Self {
        match miss {
            Miss::Unsent(error) | Miss::Lost(error) | Miss::Failed(error) => error,
        }
    }
}

/// Why a dial has failed, and whether another may succeed soon.
struct Refusal {
    error: Error,
    again: bool,
}

impl Node {
    /// A server. Nothing is dialled yet.
    pub(super) fn new(
        settings: Arc<Settings>,
        dialer: Arc<Dialer>,
        place: Place,
        retries: u32,
    ) -> Self {
        let (line, dialling) = (ArcSwapOption::empty(), OneForAll::default());
        Self { settings, dialer, place, retries, line, dialling }
    }

    /// Sends commands, which the server `holds` before it answers, and gives what is answered to each,
    /// which may be an error of the server's. Given up when dropped.
    pub(super) async fn ask_for(
        &self,
        holds: Duration,
        doing: Doing,
        commands: &Pipeline,
    ) -> Result<Vec<Value>, Miss> {
        let (mut may_send_again, mut may_look_again) = (doing == Doing::Read, true);
        loop {
            let line = self.line().await.map_err(Miss::Unsent)?;
            let mut connection = line.connection.clone();
            if let Some(timeout) = self.timeout(doing) {
                connection.set_response_timeout(timeout + holds);
            }
            let error = match connection.send_packed_commands(commands, 0, commands.len()).await {
                // It is the master no longer, and has done nothing.
                Ok(answers) if may_look_again && self.is_demoted(&answers) => {
                    self.line.compare_and_swap(&line, None);
                    may_look_again = false;
                    continue;
                }
                Ok(answers) => return Ok(answers),
                Err(error) => error,
            };
            if !error.is_io_error() {
                return Err(Miss::Failed(self.told(error.to_string())));
            }
            // Calls that wait for their answers on it keep it until they have them.
            self.line.compare_and_swap(&line, None);
            if error.is_timeout() {
                return Err(Miss::Failed(self.late(doing)));
            }
            if !may_send_again {
                return Err(Miss::Lost(self.lost(doing, &error)));
            }
            may_send_again = false;
        }
    }

    fn is_demoted(&self, answers: &[Value]) -> bool {
        matches!(self.place, Place::Asked(_))
            && matches!(answers.first(), Some(Value::ServerError(error)) if error.code() == "READONLY")
    }

    fn timeout(&self, doing: Doing) -> Option<Duration> {
        match doing {
            Doing::Read => self.settings.read_timeout,
            Doing::Write => self.settings.write_timeout,
        }
    }

    /// The connection that there is, or a new one.
    async fn line(&self) -> Result<Arc<Line>, Error> {
        let living = || self.line.load_full().filter(|line| line.lives());
        // The way of nearly every call.
        if let Some(line) = living() {
            return Ok(line);
        }
        let dialled = async {
            let line = Arc::new(self.dial().await?);
            self.line.store(Some(line.clone()));
            Ok(line)
        };
        self.dialling.get(living, dialled).await
    }

    /// Dials until it succeeds or the retries are used up.
    async fn dial(&self) -> Result<Line, Error> {
        let mut pauses = self.settings.pauses();
        let mut left = self.retries;
        loop {
            match self.dial_once().await {
                Ok(line) => return Ok(line),
                Err(refusal) if left == 0 || !refusal.again => return Err(refusal.error),
                Err(_) => pauses.wait().await,
            }
            left -= 1;
        }
    }

    async fn dial_once(&self) -> Result<Line, Refusal> {
        let refused = |error: RedisError| Refusal {
            error: self.told(format!("cannot connect: {error}")),
            // A server that is there and says no is not asked again.
            again: error.is_io_error(),
        };
        match &self.place {
            Place::At(address) => self.dialer.dial(address).await.map_err(refused),
            Place::Asked(sentinels) => {
                let again = |text: String| Refusal { error: self.told(text), again: true };
                let master = sentinels.master().await.map_err(again)?;
                let dialled = self.dial_master(&master).await;
                if dialled.is_err() {
                    // Another may know better: this one is perhaps cut off from the others.
                    sentinels.ask_another();
                }
                dialled
            }
        }
    }

    async fn dial_master(&self, master: &Address) -> Result<Line, Refusal> {
        let refused = |error: RedisError| Refusal {
            error: self.told(format!("cannot connect to the master at {master}: {error}")),
            again: error.is_io_error(),
        };
        let line = self.dialer.dial(master).await.map_err(refused)?;
        if is_replica(&line, self.settings.read_timeout).await.map_err(refused)? {
            let text = format!("{master} is not the master, or not yet");
            return Err(Refusal { error: self.told(text), again: true });
        }
        Ok(line)
    }

    fn late(&self, doing: Doing) -> Error {
        let name = match doing {
            Doing::Read => "readTimeout",
            Doing::Write => "writeTimeout",
        };
        let timeout = humantime::format_duration(self.timeout(doing).unwrap_or_default());
        self.told(format!("no answer within {timeout} (`{name}`)"))
    }

    fn lost(&self, doing: Doing, error: &RedisError) -> Error {
        match doing {
            Doing::Write => self.told(format!(
                "the connection was lost, and whether the write has happened is not known: {error}"
            )),
            Doing::Read => self.told(error.to_string()),
        }
    }

    /// An error of this server, without any password.
    pub(super) fn told(&self, text: String) -> Error {
        self.settings.told(&self.place, text)
    }
}

/// Whether the server says within that time that it follows another. One that does not say which it
/// is counts as a master.
async fn is_replica(line: &Line, timeout: Option<Duration>) -> Result<bool, RedisError> {
    let mut connection = line.connection.clone();
    if let Some(timeout) = timeout {
        connection.set_response_timeout(timeout);
    }
    match connection.send_packed_command(&cmd("ROLE")).await {
        Ok(Value::Array(role)) => {
            Ok(!matches!(role.first(), Some(Value::BulkString(name)) if name == b"master"))
        }
        Err(error) if error.is_io_error() => Err(error),
        _ => Ok(false),
    }
}
