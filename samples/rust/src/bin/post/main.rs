//! A plugin that serves publish and subscribe, `pubsub.post`: messages in files, which outlive its
//! process however that ends.
//!
//! Each `consumerID` has every message that was published to a topic since its first subscription,
//! also while it is away, until it has acknowledged it. Its subscriptions share them.

mod group;
mod journal;
mod topic;

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::stream;
use nix::fcntl::{Flock, FlockArg};
use replug_sdk::component::pubsub::{
    BulkPublishRequest, FailedEntry, PubSub, PubSubType, PublishRequest, SubscribeRequest,
    Subscription,
};
use replug_sdk::component::{Context, Error, Features, Metadata};
use replug_sdk::{Plugin, async_trait};
use tokio::sync::watch;

use crate::group::Reader;
use crate::journal::Record;
use crate::topic::Topic;

#[tokio::main]
async fn main() -> ExitCode {
    match Plugin::named("post").pubsub(Offices::default()).serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("post: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The folders that components have named. One that two of them name is one.
#[derive(Default)]
struct Offices(Mutex<HashMap<PathBuf, Arc<Office>>>);

#[async_trait]
impl PubSubType for Offices {
    async fn open(&self, metadata: Metadata) -> Result<Arc<dyn PubSub>, Error> {
        let named = |name: &str| metadata.get(name).filter(|value| !value.is_empty());
        let folder = named("folder").map(PathBuf::from).ok_or_else(|| {
            Error::Invalid("metadata has no `folder`: where the messages are".into())
        })?;
        let consumer = named("consumerID").cloned().unwrap_or_else(|| "consumer".to_owned());
        let mut offices = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let office = if let Some(office) = offices.get(&folder) {
            office.clone()
        } else {
            let office = Arc::new(Office::open(&folder)?);
            offices.insert(folder, office.clone());
            office
        };
        Ok(Arc::new(Counter { office, consumer, paused: watch::Sender::new(false) }))
    }
}

/// A folder with its topics.
struct Office {
    folder: PathBuf,
    topics: Mutex<HashMap<String, Arc<Topic>>>,
    /// No other process has it meanwhile.
    _alone: Flock<File>,
}

impl Office {
    fn open(folder: &Path) -> Result<Self, Error> {
        let failed = |error: &dyn std::fmt::Display| {
            Error::Failed(format!("cannot use the folder {}: {error}", folder.display()))
        };
        std::fs::create_dir_all(folder).map_err(|error| failed(&error))?;
        let lock = File::create(folder.join("lock")).map_err(|error| failed(&error))?;
        let alone = Flock::lock(lock, FlockArg::LockExclusiveNonblock)
            .map_err(|(_, error)| failed(&format!("another process has it: {error}")))?;
        Ok(Self { folder: folder.to_owned(), topics: Mutex::default(), _alone: alone })
    }

    fn topic(&self, name: &str) -> Result<Arc<Topic>, Error> {
        let mut topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(topic) = topics.get(name) {
            return Ok(topic.clone());
        }
        let failed = |error| Error::Failed(format!("cannot open the topic {name}: {error}"));
        let topic = Arc::new(Topic::open(&self.folder, name).map_err(failed)?);
        topics.insert(name.to_owned(), topic.clone());
        Ok(topic)
    }
}

/// A component: in whose name it subscribes.
struct Counter {
    office: Arc<Office>,
    consumer: String,
    /// Nothing is handed out over its subscriptions.
    paused: watch::Sender<bool>,
}

#[async_trait]
impl PubSub for Counter {
    fn features(&self) -> Features {
        Features::new([Features::BULK_PUBSUB])
    }

    async fn publish(&self, _cx: &Context, request: PublishRequest) -> Result<(), Error> {
        let topic = self.office.topic(&request.topic)?;
        let record = Record {
            data: request.data.into(),
            metadata: request.metadata,
            content_type: request.content_type,
        };
        topic
            .put(record)
            .map_err(|error| Error::Failed(format!("the message cannot be kept: {error}")))
    }

    async fn bulk_publish(
        &self,
        _cx: &Context,
        request: BulkPublishRequest,
    ) -> Result<Vec<FailedEntry>, Error> {
        let topic = self.office.topic(&request.topic)?;
        let kept = request.entries.into_iter().filter_map(|entry| {
            // What an entry says counts more than what is said of all.
            let mut metadata = request.metadata.clone();
            metadata.extend(entry.metadata);
            let record = Record {
                data: entry.event.into(),
                metadata,
                content_type: Some(entry.content_type),
            };
            let error = topic.put(record).err()?.to_string();
            Some(FailedEntry { entry_id: entry.entry_id, error })
        });
        Ok(kept.collect())
    }

    async fn subscribe(
        &self,
        _cx: &Context,
        request: SubscribeRequest,
    ) -> Result<Subscription, Error> {
        let topic = self.office.topic(&request.topic)?;
        let failed = |error| Error::Failed(format!("cannot subscribe: {error}"));
        let group = topic.group(&self.consumer).map_err(failed)?;
        let reader = Reader::new(group, self.paused.subscribe());
        Ok(Subscription::new(stream::unfold(reader, |mut reader| async move {
            let delivery = reader.next().await?;
            Some((delivery, reader))
        })))
    }

    async fn pause(&self) -> Result<(), Error> {
        self.paused.send_replace(true);
        println!("{} is paused", self.consumer);
        Ok(())
    }

    async fn resume(&self) -> Result<(), Error> {
        self.paused.send_replace(false);
        println!("{} goes on", self.consumer);
        Ok(())
    }
}
