//! What becomes of a call whose plugin dies or misbehaves at each point of its way, as
//! `docs/guarantees.md` promises it.

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use h2::Reason;
use replug_component::Error;
use replug_component::state::{GetResponse, SetRequest, StateStore};
use replug_proto::dapr::common::v1::StateItem;
use replug_proto::dapr::components::v1 as pb;
use replug_proto::dapr::runtime::v1::dapr_client::DaprClient;
use replug_proto::dapr::runtime::v1::{GetStateRequest, SaveStateRequest};
use replug_runtime::plugin::Seat;
use replug_runtime::registry::Registry;
use tokio::task::JoinHandle;
use tonic::Code;

use support::life::{CX, get, registry, set, store};
use support::raw::{self, Raw, framed, status};
use support::{Api, settings};

/// The window of a plugin that lets replug send what it likes.
const WIDE: u32 = 1 << 20;

/// More than fits into the pipe and the plugin's window.
const LARGE: usize = 1 << 20;

/// A deadline that is to pass while the plugin has the call, which is there long before it on a busy
/// machine too.
const IN_REACH: Duration = Duration::from_secs(2);

type Reading = JoinHandle<Result<GetResponse, Error>>;
type Writing = JoinHandle<Result<(), Error>>;

async fn begin() -> (Arc<Registry>, Arc<dyn StateStore>, Raw) {
    let registry = registry().await;
    let mut life = Raw::begin(WIDE).await;
    life.attach(&registry).await;
    let store = store(&registry).await;
    (registry, store, life)
}

fn reading(store: &Arc<dyn StateStore>) -> Reading {
    let store = store.clone();
    tokio::spawn(async move { store.get(&CX, get("k")).await })
}

fn writing(store: &Arc<dyn StateStore>) -> Writing {
    let store = store.clone();
    tokio::spawn(async move { store.set(&CX, set("k")).await })
}

/// The next life, which answers everything.
async fn next(registry: &Arc<Registry>) -> raw::Driven {
    let mut life = Raw::begin(WIDE).await;
    life.attach(registry).await;
    life.answering("of the next")
}

async fn read_by_the_next(reader: Reading) {
    assert_eq!(reader.await.unwrap().unwrap().data, "of the next");
}

async fn unknown(writer: Writing) {
    let Error::Unavailable(why) = writer.await.unwrap().unwrap_err() else { panic!() };
    assert!(why.outcome_unknown, "{why:?}");
}

#[tokio::test]
async fn a_write_that_is_queued_when_the_plugin_dies_is_done_by_the_next() {
    let (registry, store, life) = begin().await;
    registry.suspend("raw", Seat::default(), "killed");
    drop(life);
    let writer = writing(&store);
    while registry.components()[0].calls.held == 0 {
        tokio::task::yield_now().await;
    }
    let _next = next(&registry).await;
    writer.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_write_of_which_half_is_written_when_the_plugin_dies_has_an_unknown_outcome() {
    let registry = registry().await;
    let mut life = Raw::begin(16 << 10).await;
    life.attach(&registry).await;
    let store = store(&registry).await;
    let writer: Writing = {
        let store = store.clone();
        let request = SetRequest { value: vec![7; LARGE].into(), ..set("k") };
        tokio::spawn(async move { store.set(&CX, request).await })
    };
    // Its head and the window's worth have come, and no more can.
    let mut call = life.call().await;
    let piece = {
        let body = call.request.body_mut();
        life.until(body.data()).await
    };
    assert!(piece.unwrap().unwrap().len() < LARGE);
    drop(life);
    unknown(writer).await;
    let _next = next(&registry).await;
    store.set(&CX, set("k")).await.unwrap();
}

#[tokio::test]
async fn a_call_that_was_read_and_not_answered_is_sent_again_if_it_only_reads() {
    let (registry, store, mut life) = begin().await;
    let (reader, writer) = (reading(&store), writing(&store));
    let mut calls = [life.call().await, life.call().await];
    for call in &mut calls {
        life.until(call.read()).await;
    }
    drop(life);
    unknown(writer).await;
    let _next = next(&registry).await;
    read_by_the_next(reader).await;
}

#[tokio::test]
async fn an_answer_that_has_come_in_half_is_no_answer() {
    let (registry, store, mut life) = begin().await;
    let reader = reading(&store);
    let mut call = life.call().await;
    let whole = framed(&pb::GetResponse { data: "of the first".into(), ..<_>::default() });
    let mut body = call.head();
    body.send_data(whole.slice(..whole.len() / 2), false).unwrap();
    let writer = writing(&store);
    let mut call = life.call().await;
    // All of the message, and no status after it.
    let mut other = call.head();
    other.send_data(framed(&pb::SetResponse::default()), false).unwrap();
    life.until(tokio::task::yield_now()).await;
    drop((life, body, other));
    unknown(writer).await;
    let _next = next(&registry).await;
    read_by_the_next(reader).await;
}

#[tokio::test]
async fn an_answer_without_a_status_acknowledges_nothing() {
    let (_registry, store, mut life) = begin().await;
    let writer = writing(&store);
    let mut call = life.call().await;
    let mut body = call.head();
    body.send_data(framed(&pb::SetResponse::default()), true).unwrap();
    let error = life.until(writer).await.unwrap().unwrap_err();
    assert!(error.to_string().contains("no gRPC status"), "{error}");
}

#[tokio::test]
async fn a_plugin_that_answers_twice_is_told_apart_and_serves_on() {
    let (_registry, store, mut life) = begin().await;
    let reader = reading(&store);
    let mut call = life.call().await;
    let message = framed(&pb::GetResponse { data: "twice".into(), ..<_>::default() });
    let mut body = call.head();
    body.send_data(message.clone(), false).unwrap();
    body.send_data(message, false).unwrap();
    body.send_trailers(status(0)).unwrap();
    let error = life.until(reader).await.unwrap().unwrap_err();
    assert!(error.to_string().contains("more than one message"), "{error}");
    let _serves_on = life.answering("once");
    assert_eq!(store.get(&CX, get("k")).await.unwrap().data, "once");
}

#[tokio::test]
async fn an_answer_of_trailers_alone_is_its_status() {
    let (_registry, store, mut life) = begin().await;
    let reader = reading(&store);
    life.call().await.trailers_only(Code::NotFound as i32);
    let error = life.until(reader).await.unwrap().unwrap_err();
    assert!(error.to_string().contains("code = NotFound"), "{error}");
    // A good one without the message that belongs to it is none.
    let writer = writing(&store);
    life.call().await.trailers_only(0);
    let error = life.until(writer).await.unwrap().unwrap_err();
    assert!(error.to_string().contains("Missing response message"), "{error}");
}

#[tokio::test]
async fn calls_before_a_goaway_are_answered_and_those_after_it_are_for_the_next() {
    let (registry, store, mut life) = begin().await;
    let before = reading(&store);
    let call = life.call().await;
    life.go_away();
    call.answer(&pb::GetResponse { data: "of the first".into(), ..<_>::default() });
    let first = tokio::spawn(life.answer_all("of the first".into()));
    assert_eq!(before.await.unwrap().unwrap().data, "of the first");
    // Whether they still reach the first is between the two sides; none is lost.
    let mut during = Vec::new();
    for _ in 0..20 {
        during.push(writing(&store));
        tokio::task::yield_now().await;
    }
    let _next = next(&registry).await;
    for writer in during {
        writer.await.unwrap().unwrap();
    }
    first.await.unwrap();
    assert_eq!(store.get(&CX, get("k")).await.unwrap().data, "of the next");
}

#[tokio::test]
async fn a_call_that_is_reset_fails_alone_and_one_that_is_refused_is_sent_again() {
    let (_registry, store, mut life) = begin().await;
    let reader = reading(&store);
    life.call().await.respond.send_reset(Reason::INTERNAL_ERROR);
    let error = life.until(reader).await.unwrap().unwrap_err();
    assert!(error.to_string().contains("ended the call"), "{error}");
    let writer = writing(&store);
    life.call().await.respond.send_reset(Reason::REFUSED_STREAM);
    let _serves_on = life.answering("yes");
    writer.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_window_that_is_never_opened_holds_up_one_call_and_no_other() {
    let registry = registry().await;
    let mut life = Raw::begin(16 << 10).await;
    life.attach(&registry).await;
    let store = store(&registry).await;
    let api = Api::serve(registry.clone(), settings()).await;
    let stuck = tokio::spawn({
        let channel = api.channel();
        async move {
            let mut client = DaprClient::new(channel);
            let states =
                vec![StateItem { key: "k".into(), value: vec![7; LARGE].into(), ..<_>::default() }];
            let store_name = "plug".into();
            let request = SaveStateRequest { store_name, states };
            let mut request = tonic::Request::new(request);
            request.set_timeout(IN_REACH);
            client.save_state(request).await
        }
    });
    // Held, and never read.
    let _call = life.call().await;
    let other = reading(&store);
    let call = life.call().await;
    call.answer(&pb::GetResponse { data: "beside it".into(), ..<_>::default() });
    assert_eq!(life.until(other).await.unwrap().unwrap().data, "beside it");
    let status = life.until(stuck).await.unwrap().unwrap_err();
    assert!(matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled), "{status:?}");
}

#[tokio::test]
async fn an_answer_after_the_deadline_is_for_nobody_and_harms_nothing() {
    let (registry, store, mut life) = begin().await;
    let api = Api::serve(registry, settings()).await;
    let late = tokio::spawn({
        let channel = api.channel();
        async move {
            let (store_name, key) = ("plug".into(), "k".into());
            let request = GetStateRequest { store_name, key, ..<_>::default() };
            let mut request = tonic::Request::new(request);
            request.set_timeout(IN_REACH);
            DaprClient::new(channel).get_state(request).await
        }
    });
    let mut call = life.call().await;
    assert!(call.request.headers().contains_key("grpc-timeout"));
    let status = life.until(late).await.unwrap().unwrap_err();
    assert!(matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled), "{status:?}");
    // The plugin hears of it, and answers all the same.
    let reset = std::future::poll_fn(|cx| call.respond.poll_reset(cx));
    assert_eq!(life.until(reset).await.unwrap(), Reason::CANCEL);
    let _ = call.respond.send_response(http::Response::new(()), true);
    let _serves_on = life.answering("in time");
    assert_eq!(store.get(&CX, get("k")).await.unwrap().data, "in time");
}

#[tokio::test]
async fn two_kills_within_a_restart_are_one_wait() {
    let (registry, store, mut life) = begin().await;
    let reader = reading(&store);
    let mut call = life.call().await;
    life.until(call.read()).await;
    drop(life);
    // The second dies before it has answered Init.
    let second = Raw::begin(WIDE).await;
    drop(second);
    let _next = next(&registry).await;
    read_by_the_next(reader).await;
}

#[tokio::test]
async fn a_slow_reader_of_a_large_answer_gets_all_of_it() {
    const SIZE: usize = 3 << 20;
    let (registry, _store, mut life) = begin().await;
    let api = Api::serve(registry, settings()).await;
    let slow = tokio::net::TcpStream::connect(&api.grpc).await.unwrap();
    slow.set_nodelay(true).unwrap();
    // The smallest window: each piece is asked for.
    let (mut sender, connection) = h2::client::Builder::new()
        .initial_window_size(16 << 10)
        .handshake::<_, bytes::Bytes>(slow)
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    let request = http::Request::post("http://x/dapr.proto.runtime.v1.Dapr/GetState")
        .header("content-type", "application/grpc")
        .body(())
        .unwrap();
    let (response, mut body) = sender.send_request(request, false).unwrap();
    let (store_name, key) = ("plug".into(), "k".into());
    let message = framed(&GetStateRequest { store_name, key, ..<_>::default() });
    body.send_data(message, true).unwrap();
    let call = life.call().await;
    call.answer(&pb::GetResponse { data: vec![7; SIZE].into(), ..<_>::default() });
    let read = async {
        let mut answer = response.await.unwrap().into_body();
        let mut read = 0;
        while let Some(piece) = answer.data().await {
            let piece = piece.unwrap();
            read += piece.len();
            tokio::task::yield_now().await;
            answer.flow_control().release_capacity(piece.len()).unwrap();
        }
        (read, answer.trailers().await.unwrap())
    };
    let (read, trailers) = life.until(read).await;
    assert!(read > SIZE);
    assert_eq!(trailers.unwrap()["grpc-status"], "0");
    connection.abort();
}

#[tokio::test]
async fn a_plugin_that_dies_while_it_is_initialised_is_waited_for() {
    let (registry, store, life) = begin().await;
    drop(life);
    let reader = reading(&store);
    for last in ["Init", "Features"] {
        Raw::begin(WIDE).await.die_of(&registry, last).await;
        assert!(!reader.is_finished(), "{last}");
    }
    let _next = next(&registry).await;
    read_by_the_next(reader).await;
}

#[tokio::test]
async fn the_plugin_is_told_what_is_left_of_the_callers_deadline() {
    const DEADLINE: Duration = Duration::from_secs(30);
    let (registry, _store, life) = begin().await;
    registry.suspend("raw", Seat::default(), "killed");
    drop(life);
    let api = Api::serve(registry.clone(), settings()).await;
    let begun = Instant::now();
    let caller = tokio::spawn({
        let channel = api.channel();
        async move {
            let (store_name, key) = ("plug".into(), "k".into());
            let request = GetStateRequest { store_name, key, ..<_>::default() };
            let mut request = tonic::Request::new(request);
            request.set_timeout(DEADLINE);
            DaprClient::new(channel).get_state(request).await
        }
    });
    while registry.components()[0].calls.held == 0 {
        tokio::task::yield_now().await;
    }
    let held = Instant::now();
    // Time itself has to pass.
    tokio::time::sleep(Duration::from_millis(50)).await;
    let used = held.elapsed();
    let mut life = Raw::begin(WIDE).await;
    life.attach(&registry).await;
    let call = life.call().await;
    let told = call.request.headers()["grpc-timeout"].to_str().unwrap();
    let left = Duration::from_micros(told.strip_suffix('u').unwrap().parse().unwrap());
    assert!(left <= DEADLINE.saturating_sub(used), "{left:?} after {used:?}");
    assert!(left + begun.elapsed() + Duration::from_secs(1) >= DEADLINE, "{left:?}");
    call.answer(&pb::GetResponse::default());
    life.until(caller).await.unwrap().unwrap();
}
