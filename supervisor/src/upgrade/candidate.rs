//! Whether a program can take over: it is run and asked, before anything is touched.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::net::unix::pipe;
use tokio::time::timeout;

use super::{FORMAT, QUESTION};
use crate::process::{Launch, Process, Spawner};

/// How long a program may take to answer. It reads plugins.toml, and no more.
const PATIENCE: Duration = Duration::from_secs(5);

/// How much of an answer is read, in bytes.
const LONGEST_ANSWER: u64 = 64 << 10;

/// A program that can take over.
#[derive(Debug)]
pub struct Candidate {
    /// Where it is.
    pub program: PathBuf,
    /// What it says of itself.
    pub fitness: Fitness,
    file: FileId,
}

/// What a program says that can take over, as JSON on its standard output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fitness {
    /// Its version.
    pub replug: String,
    /// The form of [`super::Estate`] that it reads.
    pub format: u32,
    /// Where plugins.toml has it listen and keep sockets.
    pub places: Vec<String>,
}

/// Tells a file from another one that has taken its place.
#[derive(Debug, PartialEq, Eq)]
struct FileId {
    device: u64,
    inode: u64,
    changed: (i64, i64),
}

/// Asks a program whether it can take over with this plugins.toml. An error says why it cannot; it is
/// for people.
pub async fn examine(
    spawner: &Spawner,
    program: &Path,
    config: &Path,
) -> Result<Candidate, String> {
    let at = program.display();
    let file = FileId::of(program).map_err(|error| format!("{at}: {error}"))?;
    let mut question = Launch::new(program, [QUESTION, "--format"]);
    question.args.extend([FORMAT.to_string().into(), "--config".into(), config.into()]);
    let process = spawner.spawn(question).await;
    let mut process = process.map_err(|error| format!("{at} cannot be run: {error}"))?;
    // One that has not answered by then is killed by being dropped.
    let answered = timeout(PATIENCE, answer(&mut process)).await;
    let (succeeded, said, complaint) = answered
        .map_err(|_| format!("{at} does not answer within {} s", PATIENCE.as_secs()))?
        .map_err(|error| format!("{at} cannot be asked: {error}"))?;
    let complaint = complaint.trim_end();
    if !succeeded {
        let why = if complaint.is_empty() { "and does not say why" } else { complaint };
        return Err(format!("{at} cannot take over: {why}"));
    }
    let fitness: Fitness = serde_json::from_str(&said)
        .map_err(|_| format!("{at} is no replug, or one that cannot take over"))?;
    if fitness.format != FORMAT {
        return Err(format!(
            "{at} is replug {}, which takes over in form {} and not in form {FORMAT}",
            fitness.replug, fitness.format
        ));
    }
    Ok(Candidate { program: program.to_owned(), fitness, file })
}

/// Whether it ended well, and what it wrote to standard output and standard error.
async fn answer(process: &mut Process) -> std::io::Result<(bool, String, String)> {
    let (stdout, stderr) = process.take_output().ok_or(std::io::ErrorKind::BrokenPipe)?;
    let (said, complaint) = tokio::try_join!(text(stdout), text(stderr))?;
    Ok((process.exited().await.is_success(), said, complaint))
}

async fn text(pipe: OwnedFd) -> std::io::Result<String> {
    let mut pipe = pipe::Receiver::from_owned_fd(pipe)?;
    let mut text = Vec::new();
    (&mut pipe).take(LONGEST_ANSWER).read_to_end(&mut text).await?;
    // Whoever has more to say is heard out, and not understood.
    drain(&mut pipe).await?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

async fn drain(pipe: &mut (impl AsyncRead + Unpin)) -> std::io::Result<()> {
    tokio::io::copy(pipe, &mut tokio::io::sink()).await.map(drop)
}

// === impl Candidate ===

impl Candidate {
    /// Whether the file is still the one that was asked. An error is for people.
    pub fn is_unchanged(&self) -> Result<(), String> {
        let at = self.program.display();
        match FileId::of(&self.program) {
            Ok(file) if file == self.file => Ok(()),
            Ok(_) => Err(format!("{at} was changed after it was asked")),
            Err(error) => Err(format!("{at}: {error}")),
        }
    }
}

// === impl FileId ===

impl FileId {
    fn of(file: &Path) -> std::io::Result<Self> {
        let found = fs::metadata(file)?;
        let changed = (found.ctime(), found.ctime_nsec());
        Ok(Self { device: found.dev(), inode: found.ino(), changed })
    }
}
