//! Wrappers and links against a plugin in this process that does what plugins do: answer, refuse,
//! hang, die, and come back.

mod support;

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use replug_component::state::DeleteRequest;
use replug_component::{Context, Error, Features};
use replug_proto::dapr::runtime::v1::GetStateRequest;
use replug_proto::dapr::runtime::v1::dapr_client::DaprClient;
use replug_runtime::plugin::{Contract, Contracts, Seat, probe};
use replug_runtime::registry::{ComponentState, Offer, Registry};
use support::life::{CX, Life, get, registry, set, store};
use support::{Api, settings, spec};
use tonic::Code;
use tonic_types::StatusExt as _;

#[tokio::test]
async fn reflection_and_ping_tell_what_a_plugin_serves() {
    let life = Life::begin(1).await;
    let contracts = probe(&life.connection).await.unwrap();
    assert_eq!(contracts, Contracts::known_among([Contract::DaprState.service()]));
}

#[tokio::test]
async fn a_component_is_initialised_and_keeps_only_features_that_the_plugin_serves() {
    let registry = registry().await;
    let life = Life::begin(1).await;
    let attached = life.attach(&registry).await;
    assert_eq!(attached.serves, ["state.plug".parse().unwrap()]);
    assert!(attached.failed.is_empty(), "{attached:?}");
    // It claims transactions and serves no such contract.
    assert_eq!(store(&registry).await.features(), Features::new(["ETAG"]));
    let status = registry.components().remove(0);
    assert_eq!((status.state, status.served_by.as_deref()), (ComponentState::Ready, Some("fake")));
    assert_eq!(life.calls(), ["init db"]);
}

#[tokio::test]
async fn each_kind_of_error_is_told_apart() {
    let registry = registry().await;
    let life = Life::begin(1).await;
    life.attach(&registry).await;
    let store = store(&registry).await;
    let error = store.set(&CX, set("mismatch")).await.unwrap_err();
    assert!(matches!(&error, Error::EtagMismatch(cause) if cause == "the cause"), "{error:?}");
    let error = store.delete(&CX, DeleteRequest { key: "invalid".into(), ..Default::default() });
    let error = error.await.unwrap_err();
    assert!(matches!(&error, Error::EtagInvalid(cause) if cause == "the cause"), "{error:?}");
    let error = store.get(&CX, get("plain")).await.unwrap_err();
    assert_eq!(error.to_string(), "rpc error: code = NotFound desc = no such row");
    let Error::Kit(kit) = store.get(&CX, get("kit")).await.unwrap_err() else { panic!() };
    assert_eq!((kit.http_status, kit.tag.as_str(), kit.code), (418, "ERR_TEA", Code::OutOfRange));
}

#[tokio::test]
async fn a_plugins_errors_reach_applications_as_dapr_passes_them() {
    let registry = registry().await;
    let life = Life::begin(1).await;
    life.attach(&registry).await;
    let api = Api::serve(registry, settings()).await;

    let told = api.http("GET", "/v1.0/state/plug/plain", "").await;
    let message = "fail to get plain from state store plug: rpc error: code = NotFound desc = no \
                   such row";
    assert_eq!((told.status, told.json()["message"].as_str()), (500, Some(message)));
    let told = api.http("GET", "/v1.0/state/plug/kit", "").await;
    let message = "fail to get kit from state store plug: api error: code = OutOfRange desc = \
                   short and stout";
    assert_eq!(told.status, 418);
    assert_eq!(told.json()["errorCode"], "ERR_STATE_GET");
    assert_eq!(told.json()["message"], message);
    let told = api.http("POST", "/v1.0/state/plug", r#"[{"key":"invalid","value":1}]"#).await;
    assert_eq!((told.status, told.json()["errorCode"].as_str()), (400, Some("ERR_STATE_SAVE")));
    // A transaction is refused by a store without the contract.
    let told = api.http("POST", "/v1.0/state/plug/transaction", "{").await.json();
    assert_eq!(told["details"][2]["reason"], "DAPR_STATE_TRANSACTIONS_NOT_SUPPORTED");
    assert!(told["details"][0]["links"][0]["url"].is_string());
    // A query is asked of the plugin, whatever it serves.
    let told = api.http("POST", "/v1.0-alpha1/state/plug/query", "{}").await.json();
    assert_eq!(told["errorCode"], "ERR_STATE_QUERY");
    assert!(told["message"].as_str().unwrap().contains("code = Unimplemented"), "{told}");

    let mut client = DaprClient::new(api.channel());
    let request = GetStateRequest {
        store_name: "plug".into(),
        key: "kit".into(),
        ..GetStateRequest::default()
    };
    let status = client.get_state(request).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::OutOfRange, "short and stout"));
    assert_eq!(status.get_details_error_info().unwrap().reason, "TEAPOT");
}

#[tokio::test]
async fn a_plugin_without_bulk_calls_is_asked_for_them_once() {
    let registry = registry().await;
    let life = Life::begin(1).await;
    life.attach(&registry).await;
    let store = store(&registry).await;
    for _ in 0..2 {
        store.bulk_set(&CX, vec![set("a"), set("b")], None).await.unwrap();
    }
    let items = store.bulk_get(&CX, vec![get("a"), get("plain")], None).await.unwrap();
    assert_eq!(items[0].value.data, "of generation 1");
    assert_eq!(items[1].error, "rpc error: code = NotFound desc = no such row");
    let Error::Bulk(errors) =
        store.bulk_set(&CX, vec![set("a"), set("mismatch")], None).await.unwrap_err()
    else {
        panic!()
    };
    assert!(matches!(errors[..], [Error::EtagMismatch(_)]), "{errors:?}");
    // One for set, one for get.
    assert_eq!(life.fake.bulk_calls.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_transaction_waits_for_the_first_life_and_is_bounded_by_the_plugin() {
    let registry = registry().await;
    let api = Arc::new(Api::serve(registry.clone(), settings()).await);
    let transaction = |operations: usize| {
        let operation = r#"{"operation":"upsert","request":{"key":"k","value":1}}"#;
        let body = format!("{{\"operations\":[{}]}}", vec![operation; operations].join(","));
        let api = api.clone();
        async move { api.http("POST", "/v1.0/state/plug/transaction", &body).await }
    };
    let early = tokio::spawn(transaction(1));
    let contracts = ["StateStore", "TransactionalStateStore", "TransactionalStoreMultiMaxSize"];
    let life = Life::begin_serving(1, &contracts).await;
    life.attach(&registry).await;
    assert_eq!(early.await.unwrap().status, 204);
    assert_eq!(transaction(2).await.status, 204);
    let told = transaction(3).await;
    assert_eq!(told.status, 400);
    let told = told.json();
    assert_eq!(told["errorCode"], "ERR_STATE_STORE_TOO_MANY_TRANSACTIONS");
    assert_eq!(
        told["message"],
        "the transaction contains 3 operations, which is more than what the state store \
         supports: 2"
    );
    assert_eq!(told["details"][0]["resource_name"], "plug");
    assert_eq!(
        told["details"][1]["metadata"],
        serde_json::json!({ "currentOpsTransaction": "3", "maxOpsPerTransaction": "2" })
    );
    assert_eq!(life.calls(), ["init db", "size 2", "transact 1", "transact 2"]);
}

#[tokio::test]
async fn callers_from_before_the_first_life_are_served_after_init() {
    let registry = registry().await;
    let caller = tokio::spawn({
        let registry = registry.clone();
        async move { store(&registry).await.get(&CX, get("k")).await }
    });
    let life = Life::begin(1).await;
    life.attach(&registry).await;
    assert_eq!(caller.await.unwrap().unwrap().data, "of generation 1");
    assert_eq!(life.calls(), ["init db", "get k"]);
}

#[tokio::test]
async fn a_read_that_a_death_interrupts_is_replayed_after_init() {
    let registry = registry().await;
    let mut first = Life::begin(1).await;
    first.attach(&registry).await;
    let store = store(&registry).await;
    let reader = tokio::spawn({
        let store = store.clone();
        async move { store.get(&CX, get("hang")).await }
    });
    first.hanging.recv().await.unwrap();
    first.kill().await;
    registry.suspend("fake", Seat::default(), "killed");
    // Comes while nobody is there.
    let held = tokio::spawn({
        let store = store.clone();
        async move { store.set(&CX, set("held")).await }
    });
    let status = registry.components().remove(0);
    assert_eq!(status.state, ComponentState::Suspended("killed".into()));

    let second = Life::begin(2).await;
    second.attach(&registry).await;
    assert_eq!(reader.await.unwrap().unwrap().data, "of generation 2");
    held.await.unwrap().unwrap();
    let calls = second.calls();
    assert_eq!(calls[0], "init db");
    assert_eq!(calls.len(), 3, "{calls:?}");
}

#[tokio::test]
async fn a_write_that_a_death_interrupts_has_an_unknown_outcome() {
    let registry = registry().await;
    let mut first = Life::begin(1).await;
    first.attach(&registry).await;
    let store = store(&registry).await;
    let writer = tokio::spawn({
        let store = store.clone();
        async move { store.set(&CX, set("hang")).await }
    });
    first.hanging.recv().await.unwrap();
    first.kill().await;
    let Error::Unavailable(why) = writer.await.unwrap().unwrap_err() else { panic!() };
    assert!(why.outcome_unknown);
    assert_eq!(why.component, "plug");

    // The link noticed by itself: nobody suspended the component.
    let second = Life::begin(2).await;
    let attached = second.attach(&registry).await;
    assert!(attached.failed.is_empty(), "{attached:?}");
    store.set(&CX, set("hang")).await.unwrap();
    assert_eq!(second.calls(), ["init db", "set hang"]);
}

#[tokio::test]
async fn an_unknown_outcome_is_told_over_http() {
    let registry = registry().await;
    let mut life = Life::begin(1).await;
    life.attach(&registry).await;
    let api = Arc::new(Api::serve(registry, settings()).await);
    let writer = tokio::spawn({
        let api = api.clone();
        async move { api.http("POST", "/v1.0/state/plug", r#"[{"key":"hang","value":1}]"#).await }
    });
    life.hanging.recv().await.unwrap();
    life.kill().await;
    let told = writer.await.unwrap();
    assert_eq!((told.status, told.header("Retry-After")), (503, Some("1")), "{told:?}");
    let told = told.json();
    assert_eq!(told["errorCode"], "ERR_STATE_SAVE");
    assert_eq!(told["details"][1]["metadata"]["outcome_unknown"], "true");
}

#[tokio::test]
async fn a_connection_that_is_lost_in_silence_holds_the_next_caller() {
    let registry = registry().await;
    let first = Life::begin(1).await;
    first.attach(&registry).await;
    let store = store(&registry).await;
    first.kill().await;
    let caller = tokio::spawn({
        let store = store.clone();
        async move { store.set(&CX, set("k")).await }
    });
    let second = Life::begin(2).await;
    second.attach(&registry).await;
    caller.await.unwrap().unwrap();
    assert_eq!(second.calls(), ["init db", "set k"]);
}

#[tokio::test]
async fn an_initialisation_that_ends_late_does_not_undo_a_newer_one() {
    let registry = registry().await;
    let first = Life::begin(1).await;
    let second = Life::begin(2).await;
    second.attach(&registry).await;
    first.attach(&registry).await;
    let store = store(&registry).await;
    first.kill().await;
    assert_eq!(store.get(&CX, get("k")).await.unwrap().data, "of generation 2");
    assert_eq!(registry.components().remove(0).state, ComponentState::Ready);
}

#[tokio::test(start_paused = true)]
async fn a_caller_whose_patience_ends_is_told_why() {
    let registry = registry().await;
    let life = Life::begin(1).await;
    life.attach(&registry).await;
    let store = store(&registry).await;
    registry.suspend("fake", Seat::default(), "killed by SIGKILL");
    let Error::Unavailable(why) = store.get(&CX, get("k")).await.unwrap_err() else { panic!() };
    assert!(why.reason.starts_with("killed by SIGKILL (waited 5000 ms)"), "{why:?}");
    assert!(!why.outcome_unknown);
    // Retired: nobody serves it, callers wait at the slot.
    registry.retire("fake", "removed from the plan").await;
    let status = registry.components().remove(0);
    assert_eq!(status.state, ComponentState::Waiting("removed from the plan".into()));
    let soon = std::time::Instant::now() + Duration::from_millis(100);
    let cx = Context::with_deadline(Some(soon));
    let component = registry.state("plug").unwrap();
    assert!(component.slot.component(&cx).await.is_err());
}

#[tokio::test]
async fn a_built_in_that_is_made_late_does_not_take_a_plugins_place() {
    let registry = Arc::new(Registry::new("shop", ""));
    let metadata = [("keyPrefix", "none"), ("dsn", "db"), ("connectionString", ":memory:")];
    let mut declaring = Box::pin(registry.declare(spec("plug", "state.sqlite", &metadata)));
    // It is under way: SQLite opens on a thread of its own.
    let pending = poll_fn(|cx| Poll::Ready(declaring.as_mut().poll(cx).is_pending())).await;
    assert!(pending);

    let life = Life::begin(1).await;
    let contracts = probe(&life.connection).await.unwrap();
    let connection = life.connection.clone();
    let (plugin, socket) = ("fake".into(), "sqlite".into());
    let seat = Seat::default();
    registry.attach(Offer { plugin, seat, socket, contracts, connection }).await;
    declaring.await.unwrap();

    let got = store(&registry).await.get(&CX, get("any")).await.unwrap();
    assert_eq!(got.data, "of generation 1");
}
