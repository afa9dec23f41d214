//! What one consumer has yet to acknowledge of a topic.
//!
//! Its file is a row of numbers: where it begins, then every message that it has acknowledged.

use std::collections::{HashSet, VecDeque};
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use replug_sdk::component::pubsub::{Acker, Delivery, Message};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};

/// How long a message stays in that was refused, before it is handed out again.
const AGAIN_AFTER: Duration = Duration::from_millis(100);

/// How many messages one subscription has out at a time. What is sent ahead of its answers comes
/// twice where the process dies.
const OUT: usize = 16;

/// A number in the file, in bytes.
const NUMBER: usize = 8;

/// A consumer's messages.
pub(crate) struct Group {
    file: Mutex<File>,
    waiting: Mutex<VecDeque<Letter>>,
    bell: Notify,
}

/// A message and its number.
#[derive(Clone)]
struct Letter {
    number: u64,
    message: Arc<Message>,
}

/// One subscription of a group.
pub(crate) struct Reader {
    group: Arc<Group>,
    room: Arc<Semaphore>,
    paused: watch::Receiver<bool>,
}

/// A message that is handed out. Dropped without an answer, it is to be handed out again.
struct Out {
    group: Arc<Group>,
    letter: Option<Letter>,
    _room: OwnedSemaphorePermit,
}

impl Reader {
    /// Hands out nothing while `paused` is true.
    pub(crate) fn new(group: Arc<Group>, paused: watch::Receiver<bool>) -> Self {
        Self { group, room: Arc::new(Semaphore::new(OUT)), paused }
    }

    /// The next message, once there is room for it; none when everything ends. Dropping the future
    /// loses none.
    pub(crate) async fn next(&mut self) -> Option<Delivery> {
        let room = self.room.clone().acquire_owned().await.ok()?;
        let letter = loop {
            self.paused.wait_for(|paused| !paused).await.ok()?;
            tokio::select! {
                biased;
                _ = self.paused.wait_for(|paused| *paused) => {}
                letter = self.group.next() => break letter,
            }
        };
        let message = Message::clone(&letter.message);
        let out = Out { group: self.group.clone(), letter: Some(letter), _room: room };
        Some(Delivery { message, acker: Acker::new(move |answer| out.answered(answer)) })
    }
}

impl Group {
    /// A group that is new, before the message of that number.
    pub(crate) fn create(path: &Path, begin: u64) -> io::Result<Arc<Self>> {
        // Whole or not at all.
        let draft = path.with_extension("draft");
        std::fs::write(&draft, begin.to_le_bytes())?;
        std::fs::rename(&draft, path)?;
        Self::open(path, begin, &[])
    }

    /// A group that has been there before, of a topic with these messages, the first of which has
    /// the number `base`.
    pub(crate) fn open(path: &Path, base: u64, messages: &[Arc<Message>]) -> io::Result<Arc<Self>> {
        let mut file = OpenOptions::new().read(true).append(true).open(path)?;
        let mut content = Vec::new();
        file.read_to_end(&mut content)?;
        let whole = content.len() / NUMBER * NUMBER;
        if whole < content.len() {
            file.set_len(u64::try_from(whole).unwrap_or(u64::MAX))?;
        }
        let number = |bytes: &[u8]| bytes.try_into().map_or(0, u64::from_le_bytes);
        let mut numbers = content[..whole].chunks_exact(NUMBER).map(number);
        let begin = numbers.next().unwrap_or(0);
        let acknowledged: HashSet<u64> = numbers.collect();
        let letters = messages.iter().zip(base..).map(|(message, number)| {
            let message = message.clone();
            Letter { number, message }
        });
        let waiting = letters
            .filter(|letter| letter.number >= begin && !acknowledged.contains(&letter.number));
        Ok(Arc::new(Self {
            file: Mutex::new(file),
            waiting: Mutex::new(waiting.collect()),
            bell: Notify::new(),
        }))
    }

    /// The first message that it has not acknowledged.
    pub(crate) fn first(&self) -> Option<u64> {
        self.waiting().front().map(|letter| letter.number)
    }

    /// Another message of the topic.
    pub(crate) fn put(&self, number: u64, message: Arc<Message>) {
        self.waiting().push_back(Letter { number, message });
        self.bell.notify_one();
    }

    /// The next message. Dropping the future loses none.
    async fn next(&self) -> Letter {
        loop {
            let next = {
                let mut waiting = self.waiting();
                let next = waiting.pop_front();
                if next.is_some() && !waiting.is_empty() {
                    // For another subscription of the group.
                    self.bell.notify_one();
                }
                next
            };
            match next {
                Some(letter) => return letter,
                None => self.bell.notified().await,
            }
        }
    }

    /// Writes down that a message was handled.
    fn acknowledge(&self, number: u64) -> io::Result<()> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner).write_all(&number.to_le_bytes())
    }

    fn give_back(&self, letter: Letter) {
        self.waiting().push_front(letter);
        self.bell.notify_one();
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, VecDeque<Letter>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Out {
    fn answered(mut self, answer: Result<(), String>) {
        let Some(letter) = self.letter.take() else { return };
        let refused = match answer {
            Ok(()) => self.group.acknowledge(letter.number).map_err(|error| error.to_string()),
            Err(error) => Err(error),
        };
        if let Err(error) = refused {
            let number = letter.number;
            eprintln!("post: message {number} is handed out again: {error}");
            let group = self.group.clone();
            tokio::spawn(async move {
                tokio::time::sleep(AGAIN_AFTER).await;
                group.give_back(letter);
            });
        }
    }
}

impl Drop for Out {
    fn drop(&mut self) {
        if let Some(letter) = self.letter.take() {
            self.group.give_back(letter);
        }
    }
}
