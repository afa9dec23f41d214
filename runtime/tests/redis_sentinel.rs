//! The Redis components over a master that a real sentinel names, and another after a failover.
//! Each test has threads to spare: connections are to notice what happens to their servers while it
//! waits.

mod conformance;
mod servers;

use std::sync::Arc;

use conformance::{cx, get, set, set_with};
use replug_component::pubsub::{PublishRequest, SubscribeRequest};
use replug_component::state::{Consistency, Options, SetRequest, StateStore};
use replug_component::{Error, Metadata};
use replug_runtime::builtin::{Builtin, find};

use servers::PATIENCE;
use servers::redis::sentinel::{MASTER, Watched};

fn settings(hosts: &str, more: &[(&str, &str)]) -> Metadata {
    let own = [("redisHost", hosts), ("failover", "true"), ("consumerID", "shop")];
    let own = own.iter().chain(&[("sentinelMasterName", MASTER)]).chain(more);
    own.map(|(name, value)| ((*name).into(), (*value).into())).collect()
}

async fn store(hosts: &str, more: &[(&str, &str)]) -> Result<Arc<dyn StateStore>, Error> {
    match find(&"state.redis".parse().unwrap()) {
        Some(Builtin::State(_, kind)) => kind.open(settings(hosts, more)).await,
        _ => panic!("state.redis is built in"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_is_killed_is_followed_by_the_one_that_the_sentinels_name() {
    let Some(mut watched) = Watched::start(None, &[]) else { return };
    // The first of them is nobody.
    let hosts = format!("127.0.0.1:{},{}", servers::free_port(), watched.host());
    let store = store(&hosts, &[("redisMaxRetries", "1")]).await.unwrap();
    let options = Options { consistency: Consistency::Strong, ..Options::default() };
    for number in 0..50 {
        let write = SetRequest { options, ..set(&number.to_string(), "answered") };
        store.set(&cx(), write).await.unwrap();
    }
    assert_eq!(watched.master.cli(&["DBSIZE"]), "50");
    watched.master.kill();
    let error = store.set(&cx(), set("key", "lost")).await.unwrap_err().to_string();
    assert!(error.contains(MASTER), "{error}");
    watched.fail_over();
    // Every write had waited for the replica.
    for number in 0..50 {
        assert_eq!(get(&*store, &number.to_string()).await.data, "answered");
    }
    store.set(&cx(), set_with("0", "new", "1")).await.unwrap();
    assert_eq!(watched.replica.cli(&["HGET", "0", "data"]), "new");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_is_demoted_alive_is_left() {
    let Some(watched) = Watched::start(None, &[]) else { return };
    let store = store(&watched.host(), &[]).await.unwrap();
    // A replica that has not got it yet would become a master without it.
    let options = Options { consistency: Consistency::Strong, ..Options::default() };
    store.set(&cx(), SetRequest { options, ..set("key", "old") }).await.unwrap();
    watched.fail_over();
    servers::redis::cluster::look(|| watched.master.cli(&["ROLE"]).starts_with("slave"));
    store.set(&cx(), set_with("key", "new", "1")).await.unwrap();
    assert_eq!(watched.replica.cli(&["HGET", "key", "data"]), "new");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscriptions_go_on_over_the_new_master() {
    let Some(mut watched) = Watched::start(None, &[]) else { return };
    let metadata = settings(&watched.host(), &[]);
    let pubsub = match find(&"pubsub.redis".parse().unwrap()) {
        Some(Builtin::PubSub(_, kind)) => kind.open(metadata).await.unwrap(),
        _ => panic!("pubsub.redis is built in"),
    };
    let request = SubscribeRequest { topic: "orders".into(), ..SubscribeRequest::default() };
    let mut subscription = pubsub.subscribe(&cx(), request).await.unwrap();
    let publish = |data: &'static str| {
        let (topic, data) = ("orders".into(), data.into());
        let request = PublishRequest { topic, data, ..PublishRequest::default() };
        let (pubsub, cx) = (pubsub.clone(), cx());
        async move { pubsub.publish(&cx, request).await }
    };
    publish("before").await.unwrap();
    let first = subscription.next().await.unwrap();
    assert_eq!(first.message.data, "before");
    first.acker.ack();
    watched.master.kill();
    watched.fail_over();
    // A connection may not know yet that its server is gone.
    while publish("after").await.is_err() {}
    loop {
        let next = tokio::time::timeout(PATIENCE, subscription.next()).await;
        let delivery = next.expect("in time").expect("the subscription goes on");
        delivery.acker.ack();
        if delivery.message.data == "after" {
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sentinels_have_a_login_of_their_own_and_no_password_is_shown() {
    let own = ["--requirepass", "Ma5ter", "--masterauth", "Ma5ter"];
    let Some(watched) = Watched::start(Some("Wat0h"), &own) else { return };
    let login = [("redisPassword", "Ma5ter"), ("sentinelPassword", "Wat0h")];
    let store = store(&watched.host(), &login).await.unwrap();
    store.set(&cx(), set("key", "value")).await.unwrap();
    let quick = ("redisMaxRetries", "-1");
    for (wrong, names) in [
        ([login[0], ("sentinelPassword", "Wr0ng"), quick], "sentinel at"),
        ([("redisPassword", "Wr0ng"), login[1], quick], "cannot connect to the master"),
    ] {
        let error = self::store(&watched.host(), &wrong).await.err().expect("refused").to_string();
        assert!(error.contains(names) && !error.contains("Wr0ng"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_no_sentinel_knows_is_told_by_its_name() {
    let Some(watched) = Watched::start(None, &[]) else { return };
    let other = [("sentinelMasterName", "bakery"), ("redisMaxRetries", "-1")];
    let error = store(&watched.host(), &other).await.err().expect("refused").to_string();
    assert!(error.contains("no master `bakery` (`sentinelMasterName`)"), "{error}");
}
