//! `state.redis`, over a real server.

use std::sync::Arc;
use std::time::{Duration, Instant};

use replug_component::Error;
use replug_component::state::Operation::{Delete, Set};
use replug_component::state::{
    Consistency, DeleteRequest, GetRequest, Options, SetRequest, StateStore,
};

use crate::conformance::{self, cx, delete, first, get, set, set_for, set_with, transact};
use crate::servers::free_port;
use crate::servers::redis::Redis;
use crate::{assert_gone_and_back, open};

async fn open_at(redis: &Redis, settings: &[(&str, &str)]) -> Arc<dyn StateStore> {
    let socket = redis.socket();
    open("state.redis", &[&[("redisHost", socket.as_str())], settings].concat()).await.unwrap()
}

#[tokio::test]
async fn the_redis_store_conforms() {
    let Some(redis) = Redis::start(&[]) else { return };
    let store = open_at(&redis, &[]).await;
    conformance::all_of(&*store, conformance::Store::LIKE_REDIS).await;
    store.ping(&cx()).await.unwrap();
}

#[tokio::test]
async fn values_lie_in_redis_as_dapr_lays_them_out() {
    let Some(redis) = Redis::start(&[]) else { return };
    let store = open_at(&redis, &[]).await;
    store.set(&cx(), set("app||key", "one")).await.unwrap();
    store.set(&cx(), set("app||key", "two")).await.unwrap();
    assert_eq!(redis.cli(&["HGETALL", "app||key"]), "data\ntwo\nversion\n2");
    assert_eq!(redis.cli(&["TTL", "app||key"]), "-1");
    store.set(&cx(), set_for("app||key", "three", "100")).await.unwrap();
    assert!(redis.cli(&["TTL", "app||key"]).parse::<u32>().unwrap() > 90);
    store.set(&cx(), first("app||first", "one")).await.unwrap();
    let fields = redis.cli(&["HGETALL", "app||first"]);
    assert_eq!(fields, "data\none\nfirst-write\n0\nversion\n1");
    store.delete(&cx(), delete("app||key", None)).await.unwrap();
    assert_eq!(redis.cli(&["EXISTS", "app||key"]), "0");
}

#[tokio::test]
async fn what_dapr_wrote_into_redis_is_read_and_written() {
    let Some(redis) = Redis::start(&[]) else { return };
    redis.cli(&["HSET", "app||hash", "data", "{\"a\":1}", "version", "41"]);
    redis.cli(&["HSET", "app||guarded", "data", "1", "first-write", "0", "version", "1"]);
    redis.cli(&["SET", "app||text", "old"]);
    redis.cli(&["HSET", "app||other", "field", "1"]);
    redis.cli(&["RPUSH", "app||list", "1"]);
    let store = open_at(&redis, &[]).await;

    let hash = get(&*store, "app||hash").await;
    assert_eq!((hash.data.as_ref(), hash.etag.as_deref()), (&b"{\"a\":1}"[..], Some("41")));
    store.set(&cx(), set_with("app||hash", "new", "41")).await.unwrap();
    assert_eq!(get(&*store, "app||hash").await.etag.as_deref(), Some("42"));

    // What was written first is only overwritten by who knows its etag.
    let error = store.set(&cx(), set("app||guarded", "2")).await.unwrap_err();
    assert!(matches!(error, Error::EtagMismatch(_)), "{error}");
    store.set(&cx(), set_with("app||guarded", "2", "1")).await.unwrap();

    let text = get(&*store, "app||text").await;
    assert_eq!((text.data.as_ref(), text.etag), (&b"old"[..], None));
    store.set(&cx(), set("app||text", "new")).await.unwrap();
    assert_eq!(redis.cli(&["HGET", "app||text", "data"]), "new");

    assert_eq!(get(&*store, "app||other").await.etag, None);
    let request = GetRequest { key: "app||list".into(), ..GetRequest::default() };
    let error = store.get(&cx(), request).await.unwrap_err().to_string();
    assert!(error.contains("app||list") && error.contains(&redis.socket()), "{error}");
}

/// SDKs say of a value that it is JSON whether or not the server knows of any.
#[tokio::test]
async fn what_is_said_to_be_json_lies_as_any_other_value_in_a_server_without_the_module() {
    let Some(redis) = Redis::start(&[]) else { return };
    let store = open_at(&redis, &[]).await;
    let metadata = || [("contentType".to_owned(), "application/json".to_owned())].into();
    let asked =
        || GetRequest { key: "app||a".into(), metadata: metadata(), ..GetRequest::default() };
    assert_eq!(store.get(&cx(), asked()).await.unwrap().etag, None);
    let value = || SetRequest { metadata: metadata(), ..set("app||a", "{\"b\":1}") };
    store.set(&cx(), value()).await.unwrap();
    assert_eq!(redis.cli(&["HGETALL", "app||a"]), "data\n{\"b\":1}\nversion\n1");
    transact(&*store, vec![Set(value())]).await.unwrap();
    let kept = store.get(&cx(), asked()).await.unwrap();
    assert_eq!((&kept.data[..], kept.etag.as_deref()), (&b"{\"b\":1}"[..], Some("2")));
    let gone = DeleteRequest { metadata: metadata(), ..delete("app||a", Some("2")) };
    store.delete(&cx(), gone).await.unwrap();
    assert_eq!(redis.cli(&["EXISTS", "app||a"]), "0");
}

#[tokio::test]
async fn a_store_wide_ttl_counts_where_a_write_says_nothing() {
    let Some(redis) = Redis::start(&[]) else { return };
    let store = open_at(&redis, &[("ttlInSeconds", "100")]).await;
    store.set(&cx(), set("key", "value")).await.unwrap();
    assert!(redis.cli(&["TTL", "key"]).parse::<u32>().unwrap() > 90);
    store.set(&cx(), set_for("key", "value", "-1")).await.unwrap();
    assert_eq!(redis.cli(&["TTL", "key"]), "-1");
}

#[tokio::test]
async fn users_databases_and_passwords_are_used_and_a_wrong_password_is_not_shown() {
    let Some(redis) = Redis::start(&["--user", "shop", "on", ">s3cret", "~*", "+@all"]) else {
        return;
    };
    let login = [("redisUsername", "shop"), ("redisPassword", "s3cret"), ("redisDB", "3")];
    let store = open_at(&redis, &login).await;
    store.set(&cx(), set("key", "value")).await.unwrap();
    assert_eq!(redis.cli(&["-n", "3", "HGET", "key", "data"]), "value");
    assert_eq!(redis.cli(&["EXISTS", "key"]), "0");

    let socket = redis.socket();
    let wrong = [("redisHost", socket.as_str()), ("redisUsername", "shop")];
    let wrong = [&wrong[..], &[("redisPassword", "Wr0ng")]].concat();
    let error = open("state.redis", &wrong).await.err().expect("it is refused").to_string();
    assert!(error.contains(&socket) && error.contains("authentication failed"), "{error}");
    assert!(!error.contains("Wr0ng"), "{error}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_with_its_address() {
    let address = format!("127.0.0.1:{}", free_port());
    let settings = [("redisHost", address.as_str()), ("redisMaxRetries", "0")];
    let error = open("state.redis", &settings).await.err().expect("nobody is there").to_string();
    assert!(error.contains(&address) && error.contains("refused"), "{error}");
}

#[tokio::test]
async fn a_store_works_again_when_its_server_is_back_and_has_lost_no_answered_write() {
    let Some(redis) = Redis::start(&[]) else { return };
    let settings = [("redisMaxRetries", "0")];
    let store = open_at(&redis, &settings).await;
    let redis = std::cell::RefCell::new(redis);
    assert_gone_and_back(
        &*store,
        || redis.borrow_mut().kill(),
        || redis.borrow_mut().start_again(),
    )
    .await;
}

#[tokio::test]
async fn a_server_that_hangs_is_given_up_after_the_timeout_and_used_again_later() {
    let Some(redis) = Redis::start(&[]) else { return };
    let settings = [("readTimeout", "200ms"), ("dialTimeout", "200"), ("redisMaxRetries", "-1")];
    let store = open_at(&redis, &settings).await;
    store.set(&cx(), set("key", "value")).await.unwrap();
    redis.freeze(true);
    let begun = Instant::now();
    let error = store.set(&cx(), set("key", "new")).await.unwrap_err().to_string();
    assert!(error.contains("no answer within 200ms (`writeTimeout`)"), "{error}");
    let error = store.ping(&cx()).await.unwrap_err().to_string();
    assert!(error.contains("200ms (`"), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    redis.freeze(false);
    store.set(&cx(), set("key", "newer")).await.unwrap();
    assert_eq!(get(&*store, "key").await.data, "newer");
}

#[tokio::test]
async fn a_strong_write_waits_for_the_replicas() {
    let Some(master) = Redis::start(&["--repl-diskless-sync-delay", "0"]) else { return };
    let port = free_port().to_string();
    master.cli(&["CONFIG", "SET", "port", &port]);
    let Some(replica) = Redis::start(&["--replicaof", "127.0.0.1", &port]) else { return };
    // Answered as soon as the replica has what was written, which is when it is in step.
    master.cli(&["SET", "in-step", "1"]);
    assert_eq!(master.cli(&["WAIT", "1", "60000"]), "1");
    let store = open_at(&master, &[]).await;
    let options = Options { consistency: Consistency::Strong, ..Options::default() };
    for number in 0..20 {
        let value = number.to_string();
        let write = SetRequest { options, ..set("key", value.clone()) };
        store.set(&cx(), write).await.unwrap();
        assert_eq!(replica.cli(&["HGET", "key", "data"]), value);
    }
}

#[tokio::test]
async fn tls_is_spoken_and_a_server_that_nobody_vouches_for_refused() {
    if !crate::servers::has_openssl() {
        return;
    }
    let certificate = crate::servers::Certificate::new("127.0.0.1");
    let port = free_port().to_string();
    let [cert, key] = [certificate.certificate(), certificate.key()];
    let authority = certificate.authority();
    let arguments = ["--tls-port", &port, "--tls-cert-file", &cert, "--tls-key-file", &key];
    let arguments = [&arguments[..], &["--tls-ca-cert-file", &authority]].concat();
    let Some(_redis) = Redis::start(&arguments) else { return };
    let host = format!("127.0.0.1:{port}");
    let settings = [("redisHost", host.as_str()), ("enableTLS", "true"), ("redisMaxRetries", "0")];
    let error = open("state.redis", &settings).await.err().expect("it is refused").to_string();
    assert!(error.contains(&host) && error.contains("certificate"), "{error}");

    // The server asks for a certificate that its authority has signed.
    let trusting = [&settings[..], &[("insecureSkipTLSVerify", "true")]].concat();
    let pem = [&cert, &key].map(|path| std::fs::read_to_string(path).unwrap());
    let known = [&trusting[..], &[("clientCert", &pem[0]), ("clientKey", &pem[1])]].concat();
    let store = open("state.redis", &known).await.unwrap();
    store.set(&cx(), set("key", "value")).await.unwrap();
    assert_eq!(get(&*store, "key").await.data, "value");
    let stranger = open("state.redis", &trusting).await;
    assert!(stranger.is_err(), "a client without a certificate is refused");
}

#[tokio::test]
async fn a_transaction_that_fails_in_redis_has_changed_nothing() {
    let Some(redis) = Redis::start(&[]) else { return };
    let store = open_at(&redis, &[]).await;
    store.set(&cx(), set("a", "old")).await.unwrap();
    let failing =
        vec![Set(set("a", "new")), Set(set_with("a", "newer", "7")), Delete(delete("a", None))];
    conformance::assert_mismatch(&transact(&*store, failing).await);
    assert_eq!(redis.cli(&["HGETALL", "a"]), "data\nold\nversion\n1");
    // The second names the version that the first will have given.
    let good = vec![Set(set_with("a", "new", "1")), Set(set_with("a", "newer", "2"))];
    transact(&*store, good).await.unwrap();
    assert_eq!(redis.cli(&["HGETALL", "a"]), "data\nnewer\nversion\n3");
}
