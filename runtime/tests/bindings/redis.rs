//! `bindings.redis`, over a real server.

use std::sync::Arc;

use replug_component::binding::OutputBinding;

use crate::servers::redis::Redis;
use crate::{CX, invoke, open};

async fn open_at(redis: &Redis) -> Arc<dyn OutputBinding> {
    open("bindings.redis", &[("redisHost", &redis.socket())]).await.unwrap()
}

async fn text(
    binding: &Arc<dyn OutputBinding>,
    operation: &str,
    data: &str,
    metadata: &[(&str, &str)],
) -> Option<String> {
    let answer = invoke(binding, operation, data, metadata).await.unwrap();
    answer.map(|answer| String::from_utf8(answer.data.to_vec()).unwrap())
}

#[tokio::test]
async fn a_key_is_set_read_counted_taken_and_deleted() {
    let Some(redis) = Redis::start(&[]) else { return };
    let binding = open_at(&redis).await;
    binding.ping(&CX).await.unwrap();
    let operations = binding.operations(&CX).await.unwrap();
    let operations: Vec<_> = operations.iter().collect();
    assert_eq!(operations, ["create", "delete", "get", "increment"]);

    let key = [("key", "a")];
    assert_eq!(text(&binding, "get", "", &key).await.as_deref(), Some(""));
    assert_eq!(text(&binding, "create", "\"one\"", &key).await, None);
    assert_eq!(redis.cli(&["GET", "a"]), "\"one\"");
    assert_eq!(text(&binding, "get", "", &key).await.as_deref(), Some("\"one\""));
    let taking = [("key", "a"), ("delete", "true")];
    assert_eq!(text(&binding, "get", "", &taking).await.as_deref(), Some("\"one\""));
    assert_eq!(redis.cli(&["EXISTS", "a"]), "0");

    let counter = [("key", "n")];
    assert_eq!(text(&binding, "increment", "", &counter).await, None);
    assert_eq!(text(&binding, "increment", "", &counter).await, None);
    assert_eq!(redis.cli(&["GET", "n"]), "2");
    assert_eq!(text(&binding, "delete", "", &counter).await, None);
    assert_eq!(text(&binding, "delete", "", &counter).await, None);
    assert_eq!(redis.cli(&["EXISTS", "n"]), "0");
}

#[tokio::test]
async fn what_is_set_or_counted_lives_as_long_as_is_said() {
    let Some(redis) = Redis::start(&[]) else { return };
    let binding = open_at(&redis).await;
    let left = |key: &str| redis.cli(&["TTL", key]).parse::<i64>().unwrap();
    text(&binding, "create", "1", &[("key", "a"), ("ttlInSeconds", "100")]).await;
    assert!((90..=100).contains(&left("a")));
    // Counting leaves the end where it is, unless it says another.
    text(&binding, "increment", "", &[("key", "a")]).await;
    assert!((90..=100).contains(&left("a")));
    text(&binding, "increment", "", &[("key", "a"), ("ttlInSeconds", "1000")]).await;
    assert!((990..=1000).contains(&left("a")));
    text(&binding, "create", "1", &[("key", "a")]).await;
    assert_eq!(left("a"), -1);
}

#[tokio::test]
async fn what_cannot_be_done_is_told_and_has_changed_nothing() {
    let Some(redis) = Redis::start(&[]) else { return };
    let binding = open_at(&redis).await;
    let told = async |operation: &str, metadata: &[(&str, &str)]| {
        invoke(&binding, operation, "x", metadata).await.unwrap_err().to_string()
    };
    for metadata in [&[][..], &[("key", "")]] {
        assert_eq!(
            told("create", metadata).await,
            "redis binding: missing key in request metadata"
        );
    }
    for ttl in ["0", "-1", "soon"] {
        let error = told("create", &[("key", "a"), ("ttlInSeconds", ttl)]).await;
        assert!(error.contains("ttlInSeconds"), "{error}");
    }
    assert_eq!(redis.cli(&["DBSIZE"]), "0");
    redis.cli(&["SET", "text", "no number"]);
    let error = told("increment", &[("key", "text")]).await;
    assert!(error.contains("not an integer"), "{error}");
    redis.cli(&["LPUSH", "list", "x"]);
    let error = told("get", &[("key", "list")]).await;
    assert!(error.contains("WRONGTYPE"), "{error}");
}

#[tokio::test]
async fn a_server_that_is_killed_fails_calls_with_that_cause_and_serves_again_when_it_is_back() {
    let Some(mut redis) = Redis::start(&[]) else { return };
    let binding = open_at(&redis).await;
    text(&binding, "create", "kept", &[("key", "a")]).await;
    redis.kill();
    let error = invoke(&binding, "increment", "", &[("key", "n")]).await.unwrap_err().to_string();
    assert!(error.starts_with(&format!("redis {}: ", redis.socket())), "{error}");
    redis.start_again();
    assert_eq!(text(&binding, "get", "", &[("key", "a")]).await.as_deref(), Some("kept"));
}
