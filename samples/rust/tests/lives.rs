//! The plugin as a runtime meets it: a process that is started, called, killed and started again.

use std::collections::HashMap;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use notify::{RecursiveMode, Watcher as _};
use replug_proto::dapr::components::v1 as pb;
use replug_proto::dapr::components::v1::state_store_client::StateStoreClient;
use replug_proto::dapr::components::v1::transactional_state_store_client::TransactionalStateStoreClient;
use replug_proto::layotto::pluggable::v1::hello::hello_client::HelloClient;
use replug_proto::layotto::pluggable::v1::hello::{HelloConfig, HelloRequest};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tonic::transport::{Channel, Endpoint};

/// One process of the plugin. Dropped, it is killed.
struct Life {
    process: Child,
    channel: Channel,
}

impl Life {
    /// Starts the plugin in `folder` and waits for its socket.
    async fn start(folder: &Path) -> Self {
        let (found, mut new) = mpsc::unbounded_channel();
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<_>| {
            let event: notify::Event = event.unwrap();
            if event.kind.is_create() && event.paths.iter().any(|p| p.ends_with("notebook.sock")) {
                let _ = found.send(());
            }
        })
        .unwrap();
        watcher.watch(folder, RecursiveMode::NonRecursive).unwrap();
        let process = Command::new(env!("CARGO_BIN_EXE_notebook"))
            .env("REPLUG_SOCKET_FOLDER", folder)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        new.recv().await.unwrap();
        let socket = format!("unix://{}", folder.join("notebook.sock").display());
        let channel = Endpoint::try_from(socket).unwrap().connect().await.unwrap();
        Self { process, channel }
    }

    /// A client of the store whose journal is in `folder`.
    async fn store(&self, folder: &Path) -> Result<StateStoreClient<Channel>, tonic::Status> {
        let mut store = StateStoreClient::new(self.channel.clone());
        let path = folder.join("journal").display().to_string();
        let properties = HashMap::from([("path".to_owned(), path)]);
        let metadata = Some(pb::MetadataRequest { properties });
        store.init(pb::InitRequest { metadata }).await.map(|_| store)
    }

    fn signal(&mut self, signal: Signal) -> ExitStatus {
        let id = Pid::from_raw(self.process.id().try_into().unwrap());
        kill(id, signal).unwrap();
        self.process.wait().unwrap()
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn set(key: impl Into<String>, value: &str) -> pb::SetRequest {
    let value = value.to_owned().into();
    pb::SetRequest { key: key.into(), value, ..Default::default() }
}

fn get(key: impl Into<String>) -> pb::GetRequest {
    pb::GetRequest { key: key.into(), ..Default::default() }
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_kill() {
    let folder = folder();
    let mut life = Life::start(folder.path()).await;
    let mut store = life.store(folder.path()).await.unwrap();
    store.set(set("colour", "red")).await.unwrap();
    let etag = store.get(get("colour")).await.unwrap().into_inner().etag;

    // Writers that write until the plugin dies, and remember what was acknowledged.
    let (written, mut news) = mpsc::unbounded_channel();
    let mut writers = JoinSet::new();
    for writer in 0..4 {
        let (mut store, written) = (store.clone(), written.clone());
        writers.spawn(async move {
            let mut number = 0;
            while store.set(set(format!("{writer}/{number}"), "kept")).await.is_ok() {
                written.send(()).unwrap();
                number += 1;
            }
            (writer, number)
        });
    }
    for _ in 0..40 {
        news.recv().await.unwrap();
    }
    life.signal(Signal::SIGKILL);
    let acknowledged = writers.join_all().await;

    let life = Life::start(folder.path()).await;
    let mut store = life.store(folder.path()).await.unwrap();
    for (writer, count) in acknowledged {
        for number in 0..count {
            let key = format!("{writer}/{number}");
            let kept = store.get(get(&key)).await.unwrap().into_inner();
            assert_eq!(kept.data, "kept", "{key}");
        }
    }
    let colour = store.get(get("colour")).await.unwrap().into_inner();
    assert_eq!((&colour.data[..], &colour.etag), (&b"red"[..], &etag));
    store.set(pb::SetRequest { etag, ..set("colour", "blue") }).await.unwrap();
    assert_ne!(store.get(get("colour")).await.unwrap().into_inner().etag, colour.etag);
}

#[tokio::test]
async fn a_transaction_is_kept_whole_or_not_at_all() {
    use pb::transactional_state_operation::Request as Of;

    let folder = folder();
    let mut life = Life::start(folder.path()).await;
    let mut store = life.store(folder.path()).await.unwrap();
    store.set(set("a", "1")).await.unwrap();
    let transaction = |operations: Vec<Of>| pb::TransactionalStateRequest {
        operations: operations
            .into_iter()
            .map(|of| pb::TransactionalStateOperation { request: Some(of) })
            .collect(),
        ..Default::default()
    };
    let mut transactions = TransactionalStateStoreClient::new(life.channel.clone());
    let stale = pb::Etag { value: "99".into() };
    let stale = Of::Set(pb::SetRequest { etag: Some(stale), ..set("b", "2") });
    let delete = || Of::Delete(pb::DeleteRequest { key: "a".into(), ..Default::default() });
    transactions.transact(transaction(vec![delete(), stale])).await.unwrap_err();
    assert_eq!(store.get(get("a")).await.unwrap().into_inner().data, "1");
    transactions.transact(transaction(vec![delete(), Of::Set(set("b", "2"))])).await.unwrap();

    life.signal(Signal::SIGKILL);
    let life = Life::start(folder.path()).await;
    let mut store = life.store(folder.path()).await.unwrap();
    assert_eq!(store.get(get("a")).await.unwrap().into_inner().data, "");
    assert_eq!(store.get(get("b")).await.unwrap().into_inner().data, "2");
}

#[tokio::test]
async fn a_journal_belongs_to_one_process_and_its_components_share_it() {
    let (folder, other_folder) = (folder(), folder());
    let life = Life::start(folder.path()).await;
    let mut store = life.store(folder.path()).await.unwrap();
    store.set(set("a", "1")).await.unwrap();
    let mut again = life.store(folder.path()).await.unwrap();
    assert_eq!(again.get(get("a")).await.unwrap().into_inner().data, "1");

    let other = Life::start(other_folder.path()).await;
    let refused = other.store(folder.path()).await.unwrap_err();
    assert!(refused.message().ends_with("another process has it open"), "{refused:?}");
}

#[tokio::test]
async fn a_value_that_is_to_expire_is_refused() {
    let folder = folder();
    let life = Life::start(folder.path()).await;
    let mut store = life.store(folder.path()).await.unwrap();
    let metadata = HashMap::from([("ttlInSeconds".to_owned(), "10".to_owned())]);
    let refused = store.set(pb::SetRequest { metadata, ..set("a", "1") }).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::InvalidArgument);
}

#[tokio::test]
async fn the_greeting_is_what_the_component_says() {
    let folder = folder();
    let life = Life::start(folder.path()).await;
    let mut hello = HelloClient::new(life.channel.clone());
    let hello_string = "Good morning".to_owned();
    hello.init(HelloConfig { hello_string, ..Default::default() }).await.unwrap();
    let greeting = hello.say_hello(HelloRequest { name: "Ada".into() }).await.unwrap();
    assert_eq!(greeting.into_inner().hello_string, "Good morning, Ada");
}

// Several threads: while this one waits for the process, the connection is told goodbye.
#[tokio::test(flavor = "multi_thread")]
async fn a_signal_ends_it_in_order() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let folder = folder();
        let mut life = Life::start(folder.path()).await;
        assert_eq!(life.signal(signal).code(), Some(0), "{signal}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "the socket is gone");
    }
}
