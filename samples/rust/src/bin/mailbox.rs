//! A plugin that serves a binding with both sides, `bindings.mailbox`: letters in a folder. Its
//! output puts a letter in; its input hands letters out, each until it is answered without an error.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::stream;
use replug_sdk::component::binding::{
    Answerer, Arrival, Event, Events, InputBinding, InputBindingType, InvokeRequest,
    InvokeResponse, OutputBinding, OutputBindingType,
};
use replug_sdk::component::{Context, Error, Features, Metadata};
use replug_sdk::{Bytes, Plugin, async_trait};
use tokio::sync::watch;

/// How long a letter stays in that was answered with an error, before it is handed out again.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// What the names of letters begin with; what else is in the folder is none.
const LETTER: &str = "letter-";

#[tokio::main]
async fn main() -> ExitCode {
    let of = MailboxType::default();
    let plugin = Plugin::named("mailbox").input_binding(of.clone()).output_binding(of);
    match plugin.serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mailbox: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Opens mailboxes, by the `folder` of the metadata. The bell rings when there is another letter in
/// any of them.
#[derive(Clone, Default)]
struct MailboxType(Arc<watch::Sender<()>>);

impl MailboxType {
    fn mailbox(&self, metadata: &Metadata) -> Result<Arc<Mailbox>, Error> {
        let folder =
            metadata.get("folder").filter(|folder| !folder.is_empty()).ok_or_else(|| {
                Error::Invalid("metadata has no `folder`: where the letters are".into())
            })?;
        let failed = |error| Error::Failed(format!("cannot make the folder {folder}: {error}"));
        std::fs::create_dir_all(folder).map_err(failed)?;
        Ok(Arc::new(Mailbox { folder: folder.into(), bell: self.0.clone() }))
    }
}

#[async_trait]
impl InputBindingType for MailboxType {
    async fn open(&self, metadata: Metadata) -> Result<Arc<dyn InputBinding>, Error> {
        Ok(self.mailbox(&metadata)?)
    }
}

#[async_trait]
impl OutputBindingType for MailboxType {
    async fn open(&self, metadata: Metadata) -> Result<Arc<dyn OutputBinding>, Error> {
        Ok(self.mailbox(&metadata)?)
    }
}

/// A component, whichever side of it.
struct Mailbox {
    folder: PathBuf,
    bell: Arc<watch::Sender<()>>,
}

#[async_trait]
impl OutputBinding for Mailbox {
    async fn operations(&self, _cx: &Context) -> Result<Features, Error> {
        Ok(Features::new(["create"]))
    }

    async fn invoke(
        &self,
        _cx: &Context,
        request: InvokeRequest,
    ) -> Result<Option<InvokeResponse>, Error> {
        let name = put(&self.folder, &request.data)
            .map_err(|error| Error::Failed(format!("cannot keep the letter: {error}")))?;
        self.bell.send_replace(());
        let metadata = Metadata::from([("letter".to_owned(), name)]);
        Ok(Some(InvokeResponse { metadata, ..InvokeResponse::default() }))
    }
}

#[async_trait]
impl InputBinding for Mailbox {
    async fn read(&self, _cx: &Context) -> Result<Events, Error> {
        let reader = Reader {
            folder: self.folder.clone(),
            bell: self.bell.clone(),
            rung: self.bell.subscribe(),
            out: Arc::default(),
        };
        Ok(Events::new(stream::unfold(reader, |mut reader| async move {
            let letter = reader.next().await;
            Some((letter, reader))
        })))
    }
}

/// One reading: which letters are handed out.
struct Reader {
    folder: PathBuf,
    bell: Arc<watch::Sender<()>>,
    rung: watch::Receiver<()>,
    out: Arc<Mutex<HashSet<String>>>,
}

impl Reader {
    async fn next(&mut self) -> Arrival {
        loop {
            self.rung.borrow_and_update();
            let out = self.out.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let letters = letters(&self.folder).unwrap_or_else(|error| {
                eprintln!("mailbox: {}: {error}", self.folder.display());
                Vec::new()
            });
            let waiting = letters.into_iter().find(|name| !out.contains(name));
            if let Some(name) = waiting
                && let Ok(data) = std::fs::read(self.folder.join(&name))
            {
                return self.hand_out(name, data.into());
            }
            // The other end is held beside it.
            let _ = self.rung.changed().await;
        }
    }

    fn hand_out(&self, name: String, data: Bytes) -> Arrival {
        let metadata = Metadata::from([("letter".to_owned(), name.clone())]);
        let event = Event { data, metadata, ..Event::default() };
        self.out.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone());
        let (out, bell, path) = (self.out.clone(), self.bell.clone(), self.folder.join(&name));
        let answerer = Answerer::new(move |answer| match answer {
            Ok(_) => {
                if let Err(error) = std::fs::remove_file(&path) {
                    eprintln!("mailbox: {}: {error}", path.display());
                }
            }
            Err(error) => {
                eprintln!("mailbox: {name} is handed out again: {error}");
                tokio::spawn(async move {
                    tokio::time::sleep(AGAIN_AFTER).await;
                    out.lock().unwrap_or_else(PoisonError::into_inner).remove(&name);
                    bell.send_replace(());
                });
            }
        });
        Arrival { event, answerer }
    }
}

/// Puts a letter in, whole or not at all.
fn put(folder: &Path, data: &[u8]) -> io::Result<String> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("{LETTER}{:020}-{}-{count:06}", since.as_nanos(), std::process::id());
    let draft = folder.join(format!("draft-{name}"));
    std::fs::write(&draft, data)?;
    std::fs::rename(draft, folder.join(&name))?;
    Ok(name)
}

/// The letters in a folder, the oldest first.
fn letters(folder: &Path) -> io::Result<Vec<String>> {
    let names =
        std::fs::read_dir(folder)?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut letters: Vec<_> = names.filter(|name| name.starts_with(LETTER)).collect();
    letters.sort();
    Ok(letters)
}
