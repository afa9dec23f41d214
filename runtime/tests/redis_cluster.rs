//! The Redis components over a real cluster, whose slots move and whose masters are killed. Each
//! test has threads to spare: connections are to notice what happens to their servers while it waits.

mod conformance;
mod servers;

use std::sync::Arc;

use async_trait::async_trait;
use conformance::{cx, delete, get, set, set_with, transact};
use replug_component::binding::InvokeRequest;
use replug_component::pubsub::{Delivery, PublishRequest, SubscribeRequest, Subscription};
use replug_component::state::Operation::{Delete, Set};
use replug_component::state::{
    Consistency, DeleteRequest, GetRequest, GetResponse, Options, SetRequest, StateStore,
    TransactRequest,
};
use replug_component::{Context, Error, Features, Metadata};
use replug_runtime::builtin::{Builtin, find};

use servers::PATIENCE;
use servers::redis::cluster::Cluster;

fn settings(hosts: &str, more: &[(&str, &str)]) -> Metadata {
    let own = [("redisHost", hosts), ("redisType", "cluster"), ("consumerID", "shop")];
    own.iter().chain(more).map(|(name, value)| ((*name).into(), (*value).into())).collect()
}

async fn store(hosts: &str, more: &[(&str, &str)]) -> Result<Arc<dyn StateStore>, Error> {
    match find(&"state.redis".parse().unwrap()) {
        Some(Builtin::State(_, kind)) => kind.open(settings(hosts, more)).await,
        _ => panic!("state.redis is built in"),
    }
}

/// A store that puts all keys into one slot, as an application does whose transactions go over them.
struct InOneSlot(Arc<dyn StateStore>);

fn tagged(key: &str) -> String {
    format!("{{tag}}{key}")
}

#[async_trait]
impl StateStore for InOneSlot {
    fn features(&self) -> Features {
        self.0.features()
    }

    async fn get(&self, cx: &Context, request: GetRequest) -> Result<GetResponse, Error> {
        self.0.get(cx, GetRequest { key: tagged(&request.key), ..request }).await
    }

    async fn set(&self, cx: &Context, request: SetRequest) -> Result<(), Error> {
        self.0.set(cx, SetRequest { key: tagged(&request.key), ..request }).await
    }

    async fn delete(&self, cx: &Context, request: DeleteRequest) -> Result<(), Error> {
        self.0.delete(cx, DeleteRequest { key: tagged(&request.key), ..request }).await
    }

    async fn transact(&self, cx: &Context, request: TransactRequest) -> Result<(), Error> {
        let operations = request.operations.into_iter().map(|operation| match operation {
            Set(set) => Set(SetRequest { key: tagged(&set.key), ..set }),
            Delete(delete) => Delete(DeleteRequest { key: tagged(&delete.key), ..delete }),
        });
        let operations = operations.collect();
        self.0.transact(cx, TransactRequest { operations, ..request }).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_over_a_cluster_conforms_and_one_address_is_enough() {
    let Some(cluster) = Cluster::start(&[]) else { return };
    let store = store(&cluster.host(2), &[("redisDB", "7")]).await.unwrap();
    store.ping(&cx()).await.unwrap();
    conformance::all_of(&InOneSlot(store), conformance::Store::LIKE_REDIS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_lie_where_the_cluster_has_their_slots() {
    let Some(cluster) = Cluster::start(&[]) else { return };
    let store = store(&cluster.hosts(), &[]).await.unwrap();
    for master in 0..3 {
        let key = cluster.key_of(master, "app||key");
        store.set(&cx(), set(&key, "value")).await.unwrap();
        assert_eq!(cluster.nodes[master].cli(&["HGET", &key, "data"]), "value");
        assert_eq!(get(&*store, &key).await.etag.as_deref(), Some("1"));
        store.delete(&cx(), delete(&key, Some("1"))).await.unwrap();
        assert_eq!(cluster.nodes[master].cli(&["EXISTS", &key]), "0");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_is_whole_in_one_slot_and_refused_over_several() {
    let Some(cluster) = Cluster::start(&[]) else { return };
    let store = store(&cluster.hosts(), &[]).await.unwrap();
    let keys = ["app||{order}1", "app||{order}2"];
    let both = vec![Set(set(keys[0], "a")), Set(set(keys[1], "b"))];
    transact(&*store, both).await.unwrap();
    let failing = vec![Delete(delete(keys[0], None)), Set(set_with(keys[1], "c", "9"))];
    conformance::assert_mismatch(&transact(&*store, failing).await);
    assert_eq!(get(&*store, keys[0]).await.data, "a");

    let far = [cluster.key_of(0, "k"), cluster.key_of(2, "k")];
    let over_two = vec![Set(set(&far[0], "a")), Set(set(&far[1], "b"))];
    let error = transact(&*store, over_two).await.unwrap_err().to_string();
    assert!(error.contains("different slots") && error.contains("{order}"), "{error}");
    for key in &far {
        assert_eq!(get(&*store, key).await.etag, None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_followed_while_their_slot_moves_and_afterwards() {
    let Some(cluster) = Cluster::start(&[]) else { return };
    let store = store(&cluster.hosts(), &[]).await.unwrap();
    let keys = ["{tag}one", "{tag}other"];
    let slot = cluster.slot(keys[0]);
    let from = usize::try_from(slot * 3 / 16384).unwrap();
    let to = (from + 1) % 3;
    for key in keys {
        store.set(&cx(), set(key, "old")).await.unwrap();
    }
    cluster.begin_to_move(slot, from, to);
    // One is there already, the other not yet, and a third is made where the slot goes.
    cluster.move_key(keys[0], from, to);
    for key in keys {
        assert_eq!(get(&*store, key).await.data, "old", "{key}");
        store.set(&cx(), set_with(key, "new", "1")).await.unwrap();
    }
    store.set(&cx(), set("{tag}third", "new")).await.unwrap();
    cluster.move_key(keys[1], from, to);
    cluster.end_the_move(slot, to);
    for key in keys {
        assert_eq!(get(&*store, key).await.data, "new", "{key}");
        store.set(&cx(), set_with(key, "newer", "2")).await.unwrap();
        assert_eq!(cluster.nodes[to].cli(&["HGET", key, "data"]), "newer");
    }
    assert_eq!(get(&*store, "{tag}third").await.data, "new");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_is_killed_is_followed_by_its_replica_and_no_answered_write_is_lost() {
    let Some(mut cluster) = Cluster::start(&[]) else { return };
    let keys = [0, 1, 2].map(|master| cluster.key_of(master, "key"));
    let store = store(&cluster.hosts(), &[("redisMaxRetries", "1")]).await.unwrap();
    let strong = Options { consistency: Consistency::Strong, ..Options::default() };
    for key in &keys {
        store.set(&cx(), SetRequest { options: strong, ..set(key, "answered") }).await.unwrap();
    }
    // The second and the third have no replica, so that this is the smallest number: none waited.
    let replica = &cluster.nodes[3];
    servers::redis::cluster::look(|| replica.cli(&["DBSIZE"]) != "0");
    cluster.kill_the_first();
    let error = store.set(&cx(), set(&keys[0], "lost")).await.unwrap_err().to_string();
    assert!(error.contains("redis") && error.contains("127.0.0.1"), "{error}");
    cluster.promote();
    for key in &keys {
        assert_eq!(get(&*store, key).await.data, "answered");
        store.set(&cx(), set_with(key, "new", "1")).await.unwrap();
        assert_eq!(get(&*store, key).await.data, "new");
    }
    // A component that starts now finds the cluster by the nodes that are left.
    let later = self::store(&cluster.hosts(), &[]).await.unwrap();
    let request = GetRequest { key: keys[0].clone(), ..GetRequest::default() };
    assert_eq!(later.get(&cx(), request).await.unwrap().data, "new");
}

async fn handled(subscription: &mut Subscription) -> String {
    let next = tokio::time::timeout(PATIENCE, subscription.next()).await;
    let Delivery { message, acker } = next.expect("in time").expect("the subscription goes on");
    acker.ack();
    String::from_utf8(message.data.to_vec()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_on_all_nodes_are_delivered_and_go_on_when_a_master_is_killed() {
    let Some(mut cluster) = Cluster::start(&[]) else { return };
    let pubsub = match find(&"pubsub.redis".parse().unwrap()) {
        Some(Builtin::PubSub(_, kind)) => kind.open(settings(&cluster.hosts(), &[])).await,
        _ => panic!("pubsub.redis is built in"),
    };
    let pubsub = pubsub.unwrap();
    let topics = [0, 1, 2].map(|master| cluster.key_of(master, "topic"));
    let mut subscriptions = Vec::new();
    for topic in &topics {
        let request = SubscribeRequest { topic: topic.clone(), ..SubscribeRequest::default() };
        subscriptions.push(pubsub.subscribe(&cx(), request).await.unwrap());
    }
    let publish = |topic: &str, data: &str| {
        let (topic, data) = (topic.to_owned(), data.to_owned().into());
        let (pubsub, cx) = (pubsub.clone(), cx());
        async move {
            let request = PublishRequest { topic, data, ..PublishRequest::default() };
            pubsub.publish(&cx, request).await
        }
    };
    for number in 0..50 {
        for topic in &topics {
            publish(topic, &number.to_string()).await.unwrap();
        }
    }
    for subscription in &mut subscriptions {
        for number in 0..50 {
            assert_eq!(handled(subscription).await, number.to_string());
        }
    }
    for (master, topic) in topics.iter().enumerate() {
        servers::redis::cluster::look(|| {
            cluster.nodes[master].cli(&["XPENDING", topic, "shop"]).starts_with('0')
        });
    }
    cluster.kill_the_first();
    cluster.promote();
    for topic in &topics {
        // A connection may not know yet that its server is gone.
        while publish(topic, "after").await.is_err() {}
    }
    for subscription in &mut subscriptions {
        // What was acknowledged and had not come to the replica yet may come again.
        while handled(subscription).await != "after" {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_binding_over_a_cluster_finds_its_keys() {
    let Some(cluster) = Cluster::start(&[]) else { return };
    let binding = match find(&"bindings.redis".parse().unwrap()) {
        Some(Builtin::Binding(_, kind)) => kind.open(settings(&cluster.hosts(), &[])).await,
        _ => panic!("bindings.redis is built in"),
    };
    let binding = binding.unwrap().output.unwrap();
    for master in 0..3 {
        let key = cluster.key_of(master, "count");
        let metadata = [("key", key.as_str()), ("ttlInSeconds", "100")];
        let metadata: Metadata =
            metadata.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let operation = "increment".to_owned();
        let request = InvokeRequest { operation, metadata, ..InvokeRequest::default() };
        binding.invoke(&cx(), request).await.unwrap();
        assert_eq!(cluster.nodes[master].cli(&["GET", &key]), "1");
        assert!(cluster.nodes[master].cli(&["TTL", &key]).parse::<u32>().unwrap() > 90);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_no_cluster_is_told_as_such() {
    let port = servers::free_port();
    let Some(_redis) = servers::redis::Redis::start(&["--port", &port.to_string()]) else {
        return;
    };
    let host = format!("127.0.0.1:{port}");
    let quick = [("redisMaxRetries", "-1")];
    let error = store(&host, &quick).await.err().expect("it is refused").to_string();
    assert!(error.contains(&host) && error.contains("cluster support disabled"), "{error}");
}
