//! Dapr's state contracts, as a runtime meets them.

mod support;

use std::collections::HashMap;
use std::time::Duration;

use replug_proto::dapr::components::v1 as pb;
use replug_proto::dapr::components::v1::queriable_state_store_client::QueriableStateStoreClient;
use replug_proto::dapr::components::v1::state_store_client::StateStoreClient;
use replug_proto::dapr::components::v1::transactional_state_store_client::TransactionalStateStoreClient;
use replug_proto::dapr::components::v1::transactional_store_multi_max_size_client::TransactionalStoreMultiMaxSizeClient;
use replug_sdk::Plugin;
use replug_sdk::component::Error;
use replug_sdk::component::state::error_from_status;
use support::{Serving, ShelfType, to};
use tonic::transport::Channel;
use tonic::{Code, Request};

fn serving() -> Serving {
    Serving::start(Plugin::named("shelf").state(ShelfType::default()))
}

fn init(metadata: &[(&str, &str)]) -> pb::InitRequest {
    let properties: HashMap<_, _> =
        metadata.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    pb::InitRequest { metadata: Some(pb::MetadataRequest { properties }) }
}

fn get(key: &str) -> pb::GetRequest {
    pb::GetRequest { key: key.into(), ..Default::default() }
}

fn set(key: &str, value: &str) -> pb::SetRequest {
    let value = value.to_owned().into();
    pb::SetRequest { key: key.into(), value, ..Default::default() }
}

fn etag(value: &str) -> pb::Etag {
    pb::Etag { value: value.into() }
}

/// A client of a store that was opened with the etag `7` and without a name.
async fn opened(serving: &Serving) -> (StateStoreClient<Channel>, Channel) {
    let channel = serving.channel().await;
    let mut store = StateStoreClient::new(channel.clone());
    store.init(init(&[("etag", "7")])).await.unwrap();
    (store, channel)
}

#[tokio::test]
async fn values_are_stored_read_and_removed() {
    let serving = serving();
    let (mut store, _) = opened(&serving).await;
    let features = store.features(pb::FeaturesRequest {}).await.unwrap().into_inner().features;
    assert_eq!(features, ["ETAG", "TRANSACTIONAL"]);

    store.set(set("colour", "red")).await.unwrap();
    let answer = store.get(get("colour")).await.unwrap().into_inner();
    assert_eq!((&answer.data[..], answer.etag), (&b"red"[..], Some(etag("7"))));

    store.delete(pb::DeleteRequest { key: "colour".into(), ..Default::default() }).await.unwrap();
    assert!(store.get(get("colour")).await.unwrap().into_inner().data.is_empty());
}

#[tokio::test]
async fn bulk_calls_reach_a_store_that_has_single_calls_only() {
    let serving = serving();
    let (mut store, _) = opened(&serving).await;
    let items = vec![set("a", "1"), set("b", "2")];
    let options = Some(pb::BulkSetRequestOptions { parallelism: 1 });
    store.bulk_set(pb::BulkSetRequest { items, options }).await.unwrap();
    let items = vec![pb::DeleteRequest { key: "a".into(), ..Default::default() }];
    store.bulk_delete(pb::BulkDeleteRequest { items, options: None }).await.unwrap();

    let items = vec![get("b"), get("a")];
    let answer = store.bulk_get(pb::BulkGetRequest { items, options: None }).await.unwrap();
    let found: Vec<_> =
        answer.into_inner().items.into_iter().map(|item| (item.key, item.data)).collect();
    assert_eq!(found, [("b".to_owned(), "2".into()), ("a".to_owned(), "".into())]);
}

#[tokio::test]
async fn a_call_before_init_is_told_so_and_ping_answers() {
    let serving = serving();
    let mut store = StateStoreClient::new(serving.channel().await);
    store.ping(pb::PingRequest {}).await.unwrap();
    let refused = store.get(to("orders", get("a"))).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert_eq!(refused.message(), "component orders is not initialised: call Init first");
    assert!(matches!(error_from_status(refused), Error::Remote(_)), "no etag error");
}

#[tokio::test]
async fn every_instance_is_a_component_of_its_own() {
    let serving = serving();
    let mut store = StateStoreClient::new(serving.channel().await);
    store.init(to("left", init(&[("etag", "1")]))).await.unwrap();
    store.init(to("right", init(&[("etag", "ill")]))).await.unwrap();
    store.set(to("left", set("side", "left"))).await.unwrap();

    let left = store.get(to("left", get("side"))).await.unwrap().into_inner();
    assert_eq!((&left.data[..], left.etag), (&b"left"[..], Some(etag("1"))));
    let right = store.get(to("right", get("side"))).await.unwrap().into_inner();
    assert_eq!((&right.data[..], right.etag), (&b""[..], Some(etag("ill"))));
    store.ping(to("left", pb::PingRequest {})).await.unwrap();
    let ill = store.ping(to("right", pb::PingRequest {})).await.unwrap_err();
    assert_eq!((ill.code(), ill.message()), (Code::Internal, "not well"));
    let nameless = store.get(get("side")).await.unwrap_err();
    assert_eq!(nameless.message(), "the component is not initialised: call Init first");
}

#[tokio::test]
async fn a_second_init_replaces_the_component_only_if_it_succeeds() {
    let serving = serving();
    let (mut store, _) = opened(&serving).await;
    store.set(set("colour", "red")).await.unwrap();

    let failed = store.init(init(&[("fail", "no shelf here")])).await.unwrap_err();
    assert_eq!((failed.code(), failed.message()), (Code::InvalidArgument, "no shelf here"));
    assert_eq!(store.get(get("colour")).await.unwrap().into_inner().data, "red");

    store.init(init(&[("etag", "8")])).await.unwrap();
    let answer = store.get(get("colour")).await.unwrap().into_inner();
    assert_eq!((&answer.data[..], answer.etag), (&b""[..], Some(etag("8"))));
}

#[tokio::test]
async fn etag_errors_are_the_details_that_dapr_reads() {
    let serving = serving();
    let (mut store, _) = opened(&serving).await;
    let with = |value| pb::SetRequest { etag: Some(etag(value)), ..set("a", "1") };

    let stale = store.set(with("6")).await.unwrap_err();
    assert_eq!(stale.code(), Code::FailedPrecondition);
    let stale = error_from_status(stale);
    assert!(matches!(stale, Error::EtagMismatch(cause) if cause == "it has changed"));

    let items = vec![set("b", "2"), with("6"), with("?")];
    let invalid = store.bulk_set(pb::BulkSetRequest { items, options: None }).await.unwrap_err();
    assert_eq!(invalid.code(), Code::InvalidArgument);
    let invalid = error_from_status(invalid);
    assert!(matches!(invalid, Error::EtagInvalid(cause) if cause == "a question"));
}

#[tokio::test]
async fn transactions_arrive_in_their_order() {
    use pb::transactional_state_operation::Request as Of;

    let serving = serving();
    let (mut store, channel) = opened(&serving).await;
    let mut transactions = TransactionalStateStoreClient::new(channel.clone());
    let delete = pb::DeleteRequest { key: "a".into(), ..Default::default() };
    let operations = [Of::Set(set("a", "1")), Of::Delete(delete), Of::Set(set("b", "2"))]
        .map(|request| pb::TransactionalStateOperation { request: Some(request) });
    let request =
        pb::TransactionalStateRequest { operations: operations.into(), ..Default::default() };
    transactions.transact(request).await.unwrap();
    assert_eq!(store.get(get("a")).await.unwrap().into_inner().data, "");
    assert_eq!(store.get(get("b")).await.unwrap().into_inner().data, "2");

    let operations = vec![pb::TransactionalStateOperation { request: None }];
    let request = pb::TransactionalStateRequest { operations, ..Default::default() };
    let refused = transactions.transact(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);

    let mut size = TransactionalStoreMultiMaxSizeClient::new(channel);
    let bound = size.multi_max_size(pb::MultiMaxSizeRequest {}).await.unwrap().into_inner();
    assert_eq!(bound.max_size, 7);
    store.init(init(&[])).await.unwrap();
    let none = size.multi_max_size(pb::MultiMaxSizeRequest {}).await.unwrap().into_inner();
    assert_eq!(none.max_size, -1);
}

#[tokio::test]
async fn a_query_reaches_the_store() {
    let serving = serving();
    let (mut store, channel) = opened(&serving).await;
    store.set(set("a", "1")).await.unwrap();
    let any = |json: &'static str| prost_types::Any { value: json.into(), ..Default::default() };
    let query = |operand| pb::QueryRequest {
        query: Some(pb::Query {
            filter: HashMap::from([("EQ".to_owned(), any(operand))]),
            ..Default::default()
        }),
        ..Default::default()
    };
    let mut queries = QueriableStateStoreClient::new(channel);
    let answer = queries.query(query(r#"{"side":"left"}"#)).await.unwrap().into_inner();
    assert_eq!((answer.items[0].key.as_str(), answer.token.as_str()), ("a", "EQ"));

    let refused = queries.query(query("{")).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn a_component_sees_the_callers_deadline_and_ends_with_it() {
    let serving = serving();
    let (mut store, _) = opened(&serving).await;
    assert_eq!(store.get(get("deadline")).await.unwrap().into_inner().data, "");

    let in_time = |key, timeout| {
        let mut request = Request::new(get(key));
        request.set_timeout(timeout);
        request
    };
    let answer = store.get(in_time("deadline", Duration::from_secs(90))).await.unwrap();
    assert_eq!(answer.into_inner().data, "90");
    // Nobody lets this reader go.
    let late = store.get(in_time("wait", Duration::from_millis(20))).await.unwrap_err();
    assert!(matches!(late.code(), Code::DeadlineExceeded | Code::Cancelled), "{late:?}");
}

#[tokio::test]
async fn a_message_may_have_64_mib_or_what_the_plugin_says() {
    let serving = serving();
    let (store, _) = opened(&serving).await;
    let mut store = store.max_decoding_message_size(usize::MAX);
    let large = || pb::SetRequest { value: vec![7; 32 << 20].into(), ..set("large", "") };
    store.set(large()).await.unwrap();
    assert_eq!(store.get(get("large")).await.unwrap().into_inner().data.len(), 32 << 20);

    let plugin = Plugin::named("shelf").state(ShelfType::default()).message_limit(1 << 20);
    let narrow = Serving::start(plugin);
    let (mut store, _) = opened(&narrow).await;
    assert_eq!(store.set(large()).await.unwrap_err().code(), Code::OutOfRange);
    store.set(set("small", "1")).await.unwrap();
}
