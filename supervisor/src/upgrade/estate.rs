//! All that one program leaves to the next, in a form that both read.

use std::io;
use std::path::PathBuf;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::FORMAT;
use super::parcel::{Luggage, Ticket};
use crate::events::HandedJournal;
use crate::output::HandedPrintouts;
use crate::plugin::Handed;
use crate::process::Heritage;

/// All that one program leaves to the next.
#[derive(Debug, Serialize, Deserialize)]
pub struct Estate {
    /// The version of the program that wrote this.
    pub version: String,
    /// How often one program has followed another in this process, the present time included.
    pub upgrades: u64,
    /// How often that was tried.
    pub attempts: u64,
    /// When replug was started, by the first of them.
    pub started: SystemTime,
    /// Where applications call.
    pub apis: Vec<ApiSocket>,
    /// The control socket.
    pub control: Listening,
    /// Where private socket folders are.
    pub run: Folder,
    /// The processes and their warden.
    pub keeping: Keeping,
    /// The declared plugins.
    pub plugins: Vec<Handed<Ticket>>,
    /// What has happened.
    pub journal: HandedJournal,
    /// What plugins have printed.
    pub printed: HandedPrintouts,
}

/// A socket on which applications call.
#[derive(Debug, Serialize, Deserialize)]
pub struct ApiSocket {
    /// What a service manager calls it, where one opened it.
    pub name: Option<String>,
    /// What is served there, and where it was to be bound, where replug has bound it.
    pub bound_for: Option<(String, String)>,
    /// The socket.
    pub socket: Ticket,
}

/// A socket that has a file.
#[derive(Debug, Serialize, Deserialize)]
pub struct Listening {
    /// The file.
    pub path: PathBuf,
    /// The socket.
    pub socket: Ticket,
}

/// A folder that belongs to this replug alone for as long as the lock is held.
#[derive(Debug, Serialize, Deserialize)]
pub struct Folder {
    /// The folder.
    pub path: PathBuf,
    /// The lock.
    pub lock: Ticket,
}

/// The processes and their warden; see [`Heritage`].
#[derive(Debug, Serialize, Deserialize)]
pub struct Keeping {
    warden: u32,
    lines: Ticket,
    processes: Vec<u32>,
    folders: Vec<PathBuf>,
}

/// What every format has.
#[derive(Deserialize)]
struct Head {
    format: u32,
}

#[derive(Serialize)]
struct Whole<'a> {
    format: u32,
    #[serde(flatten)]
    estate: &'a Estate,
}

// === impl Estate ===

impl Estate {
    pub(super) fn read(document: &[u8]) -> io::Result<Self> {
        let Head { format } = serde_json::from_slice(document)?;
        if format != FORMAT {
            let what = format!("it has the form {format}, and {FORMAT} is what is known here");
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        Ok(serde_json::from_slice(document)?)
    }

    pub(super) fn written(&self) -> io::Result<Vec<u8>> {
        Ok(serde_json::to_vec(&Whole { format: FORMAT, estate: self })?)
    }
}

// === impl Keeping ===

impl Keeping {
    /// What the keeper leaves.
    pub fn pack(heritage: Heritage, luggage: &mut Luggage) -> Self {
        let Heritage { warden, lines, processes, folders } = heritage;
        Self { warden, lines: luggage.check_in(lines), processes, folders }
    }

    /// What the keeper gets.
    pub fn unpack(self, luggage: &mut Luggage) -> io::Result<Heritage> {
        let Self { warden, lines, processes, folders } = self;
        Ok(Heritage { warden, lines: luggage.claim(lines)?, processes, folders })
    }
}
