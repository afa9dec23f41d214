//! What calls may have in memory: of a plugin that is slow or stuck, and of a client that does not
//! read. Past the bound callers are told so, or wait, and nobody else suffers.

mod support;

use std::sync::Arc;

use bytes::Bytes;
use h2::client::SendRequest;
use http::Request;
use replug_component::state::{SetRequest, StateStore};
use replug_component::{Error, Unavailable};
use replug_proto::dapr::components::v1 as pb;
use replug_proto::dapr::runtime::v1::GetStateRequest;
use replug_runtime::component::{ComponentSpec, HoldPolicy};
use replug_runtime::registry::Registry;
use support::life::{CX, Life, get, set, store};
use support::raw::{Raw, framed};
use support::{Api, settings, spec};
use tokio::net::TcpStream;

/// What the component of these tests may have in memory, in bytes.
const MOST: usize = 1 << 20;

async fn registry() -> Arc<Registry> {
    let registry = Arc::new(Registry::new("shop", ""));
    let hold = HoldPolicy { max_bytes: MOST as u64, ..HoldPolicy::default() };
    let metadata = [("keyPrefix", "none"), ("dsn", "db")];
    registry
        .declare(ComponentSpec { hold, ..spec("plug", "state.plug", &metadata) })
        .await
        .unwrap();
    registry
}

/// A write of so many bytes that the plugin answers when it is told to.
fn large(store: &Arc<dyn StateStore>, size: usize) -> tokio::task::JoinHandle<Result<(), Error>> {
    let store = store.clone();
    let request = SetRequest { value: vec![7; size].into(), ..set("wait") };
    tokio::spawn(async move { store.set(&CX, request).await })
}

fn turned_away(result: Result<(), Error>) -> Unavailable {
    let Err(Error::Unavailable(why)) = result else { panic!("{result:?}") };
    *why
}

#[tokio::test]
async fn a_stuck_plugin_keeps_no_more_bytes_than_it_may() {
    let registry = registry().await;
    let mut life = Life::begin(1).await;
    life.attach(&registry).await;
    let store = store(&registry).await;
    let stuck: Vec<_> = (0..3).map(|_| large(&store, MOST / 4)).collect();
    for _ in 0..3 {
        life.hanging.recv().await.unwrap();
    }
    let calls = registry.components()[0].calls;
    assert!(calls.bytes > 3 * MOST as u64 / 4 && calls.bytes < MOST as u64, "{calls:?}");
    let why = turned_away(large(&store, MOST / 4).await.unwrap());
    assert_eq!(
        why.reason,
        format!("calls under way have {MOST} bytes in memory already, its `max_bytes`")
    );
    assert!(!why.outcome_unknown);
    // There is room for small ones.
    store.get(&CX, get("k")).await.unwrap();
    life.fake.answers.add_permits(3);
    for call in stuck {
        call.await.unwrap().unwrap();
    }
    let calls = registry.components()[0].calls;
    assert_eq!((calls.under_way, calls.bytes, calls.turned_away), (0, 0, 1));
    // One that is alone goes, however large.
    life.fake.answers.add_permits(1);
    large(&store, 2 * MOST).await.unwrap().unwrap();
}

#[tokio::test]
async fn answers_that_would_be_too_much_together_fail_and_small_ones_come() {
    let registry = registry().await;
    let mut life = Raw::begin(1 << 20).await;
    life.attach(&registry).await;
    let store = store(&registry).await;
    let reading = || {
        let store = store.clone();
        tokio::spawn(async move { store.get(&CX, get("k")).await })
    };
    let (first, second) = (reading(), reading());
    let (mut slow, other) = (life.call().await, life.call().await);
    // Most of an answer, then nothing.
    let answer = framed(&pb::GetResponse { data: vec![7; MOST].into(), ..<_>::default() });
    let mut body = slow.head();
    body.send_data(answer.slice(..MOST * 3 / 4), false).unwrap();
    let come = async {
        while registry.components()[0].calls.bytes < MOST as u64 * 3 / 4 {
            tokio::task::yield_now().await;
        }
    };
    life.until(come).await;
    other.answer(&pb::GetResponse { data: vec![7; MOST / 2].into(), ..<_>::default() });
    let told = life.until(second).await.unwrap().unwrap_err();
    assert!(told.to_string().contains("max_bytes"), "{told}");
    let third = reading();
    let call = life.call().await;
    call.answer(&pb::GetResponse { data: "small".into(), ..<_>::default() });
    assert_eq!(life.until(third).await.unwrap().unwrap().data, "small");
    drop((first, body));
}

/// A client that takes what it asks for.
async fn client(address: &str, window: u32) -> SendRequest<Bytes> {
    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut builder = h2::client::Builder::new();
    let builder = builder.initial_window_size(window).initial_connection_window_size(1 << 20);
    let (sender, connection) = builder.handshake(stream).await.unwrap();
    tokio::spawn(connection);
    sender
}

fn ask(sender: &mut SendRequest<Bytes>) -> h2::client::ResponseFuture {
    let request = Request::post("http://x/dapr.proto.runtime.v1.Dapr/GetState")
        .header("content-type", "application/grpc")
        .body(())
        .unwrap();
    let (response, mut body) = sender.send_request(request, false).unwrap();
    let (store_name, key) = ("plug".into(), "k".into());
    body.send_data(framed(&GetStateRequest { store_name, key, ..<_>::default() }), true).unwrap();
    response
}

#[tokio::test]
async fn a_client_that_does_not_read_is_given_no_more_than_so_much_and_others_all() {
    /// As large as an answer may be, nearly.
    const SIZE: usize = (4 << 20) - (1 << 10);
    /// What one client may leave unread, in answers of that size.
    const UNREAD: usize = 5;
    let registry = support::life::registry().await;
    let mut life = Raw::begin(1 << 20).await;
    life.attach(&registry).await;
    let api = Api::serve(registry, settings()).await;
    let mut slow = client(&api.grpc, 16 << 10).await;
    let mut left = Vec::new();
    for _ in 0..UNREAD {
        let response = ask(&mut slow);
        life.call().await.answer(&pb::GetResponse { data: vec![7; SIZE].into(), ..<_>::default() });
        // Its head is there, so all of it is with the runtime.
        left.push(life.until(response).await.unwrap());
    }
    let waits = ask(&mut slow);
    // Many calls of another come through meanwhile, and that one does not.
    let mut quick = client(&api.grpc, 1 << 20).await;
    for _ in 0..100 {
        let response = ask(&mut quick);
        let call = life.call().await;
        call.answer(&pb::GetResponse { data: "small".into(), ..<_>::default() });
        let mut answer = life.until(response).await.unwrap().into_body();
        assert_eq!(life.until(answer.data()).await.unwrap().unwrap().slice(7..), "small");
    }
    // It reads, or gives up, and its next call is made.
    left.clear();
    let call = life.call().await;
    call.answer(&pb::GetResponse { data: "at last".into(), ..<_>::default() });
    assert_eq!(life.until(waits).await.unwrap().status(), 200);
}
