//! How often a call asks for memory on its way through the runtime. It may not grow unnoticed: what
//! makes it grow belongs into the bound, with its reason in the commit.
//!
//! The runtime is on this thread, where the calls of the allocator are counted; the application and
//! the plugin are on others.

mod support;

use std::sync::{Arc, mpsc};
use std::thread;

use allocation_counter::measure;
use bytes::Bytes;
use h2::client::{SendRequest, handshake};
use http::Request;
use replug_proto::dapr::common::v1::StateItem;
use replug_proto::dapr::runtime::v1::{
    GetSecretRequest, GetStateRequest, InvokeBindingRequest, PublishEventRequest, SaveStateRequest,
};
use replug_runtime::plugin::Contract;
use replug_runtime::registry::Registry;
use support::raw::{Raw, framed};
use support::{Api, settings, spec};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

/// Calls before the count begins: buffers have their sizes then.
const WARM_UP: usize = 500;
const CALLS: usize = 1000;

/// What a call may ask for, in the mean.
const MOST_FOR_GET: u64 = 24;
const MOST_FOR_SAVE: u64 = 23;
const MOST_FOR_PUBLISH: u64 = 55;
const MOST_FOR_SECRET: u64 = 25;
const MOST_FOR_INVOKE: u64 = 30;

/// A usual value, in bytes.
const VALUE: usize = 1 << 10;

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// How often one call of the method asks for memory, which a plugin of that contract answers.
fn asked(contract: Contract, method: &'static str, message: Bytes) -> u64 {
    let here = runtime();
    let (api, life) = here.block_on(async {
        let registry = Arc::new(Registry::new("shop", ""));
        let component_type = match contract {
            Contract::DaprState => "state.plug",
            Contract::DaprPubSub => "pubsub.plug",
            Contract::DaprSecrets => "secretstores.plug",
            Contract::DaprOutputBinding => "bindings.plug",
            other => panic!("{other:?}"),
        };
        registry.declare(spec("plug", component_type, &[])).await.unwrap();
        let mut life = Raw::begin(1 << 20).await;
        life.attach_as(&registry, contract).await;
        (Api::serve(registry, settings()).await, life)
    });
    let connection = life.connection.clone();
    let plugin = thread::spawn(|| runtime().block_on(life.answer_all(vec![7; VALUE].into())));
    let (warm, is_warm) = oneshot::channel();
    let (go, gone) = mpsc::channel();
    let (done, is_done) = oneshot::channel();
    let address = api.grpc.clone();
    let application = thread::spawn(move || {
        runtime().block_on(async {
            let stream = TcpStream::connect(address).await.unwrap();
            stream.set_nodelay(true).unwrap();
            let (mut sender, connection) = handshake(stream).await.unwrap();
            let connection = tokio::spawn(connection);
            call(&mut sender, method, &message, WARM_UP).await;
            warm.send(()).unwrap();
            gone.recv().unwrap();
            call(&mut sender, method, &message, CALLS).await;
            done.send(()).unwrap();
            connection.abort();
        });
    });
    here.block_on(is_warm).unwrap();
    let counted = measure(|| {
        go.send(()).unwrap();
        here.block_on(is_done).unwrap();
    });
    application.join().unwrap();
    drop((api, connection, here));
    plugin.join().unwrap();
    counted.count_total / CALLS as u64
}

/// Calls one after the other.
async fn call(sender: &mut SendRequest<Bytes>, method: &str, message: &Bytes, times: usize) {
    for _ in 0..times {
        let request = Request::post(format!("http://x/dapr.proto.runtime.v1.Dapr/{method}"))
            .header("te", "trailers")
            .header("content-type", "application/grpc")
            .body(())
            .unwrap();
        let (response, mut body) = sender.send_request(request, false).unwrap();
        body.send_data(message.clone(), true).unwrap();
        let mut answer = response.await.unwrap().into_body();
        while let Some(piece) = answer.data().await {
            answer.flow_control().release_capacity(piece.unwrap().len()).unwrap();
        }
        let trailers = answer.trailers().await.unwrap().unwrap();
        assert_eq!(trailers["grpc-status"], "0");
    }
}

#[test]
fn a_read_asks_for_memory_as_seldom_as_it_did() {
    let request = GetStateRequest { store_name: "plug".into(), key: "k".into(), ..<_>::default() };
    let asked = asked(Contract::DaprState, "GetState", framed(&request));
    assert!(asked <= MOST_FOR_GET, "{asked} times a call");
}

#[test]
fn a_write_asks_for_memory_as_seldom_as_it_did() {
    let item = StateItem { key: "k".into(), value: vec![7; VALUE].into(), ..<_>::default() };
    let request = SaveStateRequest { store_name: "plug".into(), states: vec![item] };
    let asked = asked(Contract::DaprState, "SaveState", framed(&request));
    assert!(asked <= MOST_FOR_SAVE, "{asked} times a call");
}

#[test]
fn a_publish_asks_for_memory_as_seldom_as_it_did() {
    let request = PublishEventRequest {
        pubsub_name: "plug".into(),
        topic: "news".into(),
        data: vec![b'm'; 512].into(),
        data_content_type: "text/plain".into(),
        ..<_>::default()
    };
    let asked = asked(Contract::DaprPubSub, "PublishEvent", framed(&request));
    assert!(asked <= MOST_FOR_PUBLISH, "{asked} times a call");
}

#[test]
fn a_secret_asks_for_memory_as_seldom_as_it_did() {
    let request = GetSecretRequest { store_name: "plug".into(), key: "k".into(), ..<_>::default() };
    let asked = asked(Contract::DaprSecrets, "GetSecret", framed(&request));
    assert!(asked <= MOST_FOR_SECRET, "{asked} times a call");
}

#[test]
fn an_invocation_asks_for_memory_as_seldom_as_it_did() {
    let request = InvokeBindingRequest {
        name: "plug".into(),
        operation: "create".into(),
        data: vec![7; VALUE].into(),
        ..<_>::default()
    };
    let asked = asked(Contract::DaprOutputBinding, "InvokeBinding", framed(&request));
    assert!(asked <= MOST_FOR_INVOKE, "{asked} times a call");
}
