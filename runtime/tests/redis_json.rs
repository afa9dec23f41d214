//! `state.redis` over a real Redis with the modules for JSON and searches.

mod conformance;
mod servers;

use std::sync::Arc;

use conformance::{assert_mismatch, cx, delete, first, set, set_for, set_with};
use replug_component::state::Operation::{Delete, Set};
use replug_component::state::{
    DeleteRequest, GetRequest, GetResponse, Page, Query, QueryRequest, QueryResponse, SetRequest,
    SortOrder, Sorting, StateStore, TransactRequest,
};
use replug_component::{Error, Metadata};
use replug_runtime::builtin::{Builtin, find};
use serde_json::{Value, json};

use servers::redis::Redis;

const INDEXES: &str = r#"[{"name": "people", "indexes": [
    {"key": "person.org", "type": "TEXT"},
    {"key": "person.id", "type": "NUMERIC"},
    {"key": "city", "type": "TEXT"}]}]"#;

async fn store(redis: &Redis, more: &[(&str, &str)]) -> Result<Arc<dyn StateStore>, Error> {
    open(&[("redisHost", &redis.socket())], more).await
}

async fn open(own: &[(&str, &str)], more: &[(&str, &str)]) -> Result<Arc<dyn StateStore>, Error> {
    let pairs = own.iter().chain(more);
    let metadata = pairs.map(|(name, value)| ((*name).into(), (*value).into())).collect();
    match find(&"state.redis".parse().unwrap()) {
        Some(Builtin::State(_, kind)) => kind.open(metadata).await,
        _ => panic!("state.redis is built in"),
    }
}

fn as_json(mut metadata: Metadata) -> Metadata {
    metadata.insert("contentType".into(), "application/json".into());
    metadata
}

fn json_set(request: SetRequest) -> SetRequest {
    SetRequest { metadata: as_json(request.metadata), ..request }
}

fn json_delete(request: DeleteRequest) -> DeleteRequest {
    DeleteRequest { metadata: as_json(request.metadata), ..request }
}

async fn get(store: &dyn StateStore, key: &str) -> GetResponse {
    let metadata = as_json(Metadata::new());
    let request = GetRequest { key: key.into(), metadata, ..GetRequest::default() };
    store.get(&cx(), request).await.unwrap()
}

#[tokio::test]
async fn values_lie_in_redisjson_as_dapr_lays_them_out_with_etags_first_writes_and_ttl() {
    let Some(redis) = Redis::start_with_modules() else { return };
    let store = store(&redis, &[]).await.unwrap();
    store.set(&cx(), json_set(set("key", r#"{"a": [1, "x"]}"#))).await.unwrap();
    assert_eq!(redis.cli(&["JSON.GET", "key"]), r#"{"data":{"a":[1,"x"]},"version":1}"#);
    let read = get(&*store, "key").await;
    assert_eq!((read.data.as_ref(), read.etag.as_deref()), (&br#"{"a":[1,"x"]}"#[..], Some("1")));

    store.set(&cx(), json_set(set_with("key", "2", "1"))).await.unwrap();
    assert_mismatch(&store.set(&cx(), json_set(set_with("key", "3", "1"))).await);
    assert_eq!(get(&*store, "key").await.etag.as_deref(), Some("2"));
    store.set(&cx(), json_set(set_for("key", "4", "100"))).await.unwrap();
    assert!(redis.cli(&["TTL", "key"]).parse::<u32>().unwrap() > 90);
    store.set(&cx(), json_set(set("key", "5"))).await.unwrap();
    assert!(get(&*store, "key").await.metadata.contains_key("ttlExpireTime"));

    store.set(&cx(), json_set(first("once", "1"))).await.unwrap();
    assert_mismatch(&store.set(&cx(), json_set(set("once", "2"))).await);
    store.set(&cx(), json_set(set_with("once", "2", "1"))).await.unwrap();
    assert_eq!(redis.cli(&["JSON.GET", "once"]), r#"{"data":2,"version":2,"first-write":0}"#);

    assert_mismatch(&store.delete(&cx(), json_delete(delete("key", Some("1")))).await);
    store.delete(&cx(), json_delete(delete("key", None))).await.unwrap();
    assert_eq!(get(&*store, "key").await, GetResponse::default());

    for none in ["no JSON", "", "1,\"version\":9", "1} {"] {
        let error = store.set(&cx(), json_set(set("key", none))).await.unwrap_err();
        assert!(matches!(error, Error::Invalid(_)), "{error}");
    }
    assert_eq!(redis.cli(&["EXISTS", "key"]), "0");
}

#[tokio::test]
async fn what_dapr_wrote_is_read_and_what_lies_there_otherwise_is_replaced() {
    let Some(redis) = Redis::start_with_modules() else { return };
    let store = store(&redis, &[]).await.unwrap();
    redis.cli(&["JSON.SET", "old", "$", r#"{"data":{"b":true},"version":7}"#]);
    let read = get(&*store, "old").await;
    assert_eq!((read.data.as_ref(), read.etag.as_deref()), (&br#"{"b":true}"#[..], Some("7")));
    store.set(&cx(), set("hash", "text")).await.unwrap();
    store.set(&cx(), json_set(set("hash", "1"))).await.unwrap();
    assert_eq!(redis.cli(&["JSON.GET", "hash"]), r#"{"data":1,"version":1}"#);
    store.set(&cx(), set("hash", "text")).await.unwrap();
    assert_eq!(redis.cli(&["HGET", "hash", "data"]), "text");
}

#[tokio::test]
async fn a_transaction_over_json_is_whole() {
    let Some(redis) = Redis::start_with_modules() else { return };
    let store = store(&redis, &[]).await.unwrap();
    let transact = |operations| {
        let (store, cx, metadata) = (store.clone(), cx(), as_json(Metadata::new()));
        async move { store.transact(&cx, TransactRequest { operations, metadata }).await }
    };
    transact(vec![Set(set("a", "1")), Set(set("b", "2"))]).await.unwrap();
    let failing = vec![Delete(delete("a", None)), Set(set_with("b", "3", "9"))];
    assert_mismatch(&transact(failing).await);
    assert_eq!(get(&*store, "a").await.data, "1");
    transact(vec![Set(set_with("a", "3", "1")), Delete(delete("b", Some("1")))]).await.unwrap();
    assert_eq!(redis.cli(&["JSON.GET", "a"]), r#"{"data":3,"version":2}"#);
    assert_eq!(redis.cli(&["EXISTS", "b"]), "0");
}

#[tokio::test]
async fn what_the_module_does_not_take_is_refused_before_anything_is_written() {
    let Some(redis) = Redis::start_with_modules() else { return };
    let store = store(&redis, &[]).await.unwrap();
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    let deepest = (1..200).take_while(|depth| {
        let value = format!("{{\"data\":{}}}", nested(*depth));
        redis.cli(&["JSON.SET", "probe", "$", &value]) == "OK"
    });
    let deepest = deepest.last().unwrap();
    store.set(&cx(), json_set(set("deep", nested(deepest)))).await.unwrap();
    assert_eq!(get(&*store, "deep").await.data, nested(deepest));
    for refused in [nested(deepest + 1), "1e400".into(), r#""\ud800""#.into()] {
        let operations = vec![Set(set("first", "1")), Set(set("second", refused))];
        let request = TransactRequest { operations, metadata: as_json(Metadata::new()) };
        let error = store.transact(&cx(), request).await.unwrap_err();
        assert!(matches!(error, Error::Invalid(_)), "{error}");
        assert_eq!(redis.cli(&["EXISTS", "first", "second"]), "0");
    }
}

async fn query(store: &dyn StateStore, query: Value, index: &str) -> Result<QueryResponse, Error> {
    let mut metadata = as_json(Metadata::new());
    metadata.insert("queryIndexName".into(), index.into());
    let sorting = |by: &Value| Sorting {
        key: by["key"].as_str().unwrap().to_owned(),
        order: if by["order"] == "DESC" { SortOrder::Descending } else { SortOrder::Ascending },
    };
    let page = &query["page"];
    let query = Query {
        filter: query["filter"].as_object().cloned().unwrap_or_default(),
        sort: query["sort"].as_array().into_iter().flatten().map(sorting).collect(),
        page: Page {
            limit: page["limit"].as_u64().unwrap_or_default(),
            token: page["token"].as_str().unwrap_or_default().to_owned(),
        },
    };
    store.query(&cx(), QueryRequest { query, metadata }).await
}

#[tokio::test]
async fn queries_find_what_the_index_has_in_pages_and_in_order() {
    let Some(redis) = Redis::start_with_modules() else { return };
    let store = store(&redis, &[("queryIndexes", INDEXES)]).await.unwrap();
    for (key, org, id, city) in [
        ("1", "Dev Ops", 1036, "Seattle"),
        ("2", "Hardware", 1028, "Portland"),
        ("3", "Finance", 1071, "Sacramento"),
        ("4", "Dev Ops", 1042, "Spokane"),
        ("5", "Finance", -3, "L.A. (west)"),
    ] {
        let value = json!({"person": {"org": org, "id": id}, "city": city}).to_string();
        store.set(&cx(), json_set(set(key, value))).await.unwrap();
    }
    let found = async |asked: Value| {
        let answer = query(&*store, asked.clone(), "people").await;
        let answer = answer.unwrap_or_else(|error| panic!("{asked}: {error}"));
        let mut keys: Vec<String> = answer.items.iter().map(|item| item.key.clone()).collect();
        if asked.get("sort").is_none() {
            keys.sort();
        }
        (keys.join(" "), answer.token)
    };
    let org = "person.org";
    let injected = "Finance) | (@var1:[-inf +inf]";
    for (filter, expected) in [
        (json!({}), "1 2 3 4 5"),
        (json!({"EQ": {org: "Dev Ops"}}), "1 4"),
        (json!({"EQ": {"person.id": 1028}}), "2"),
        (json!({"EQ": {"city": "L.A. (west)"}}), "5"),
        (json!({"EQ": {org: injected}}), ""),
        (json!({"NEQ": {org: "Finance"}}), "1 2 4"),
        (json!({"IN": {org: ["Finance", "Hardware"]}}), "2 3 5"),
        (json!({"IN": {"person.id": [1028, 1071]}}), "2 3"),
        (json!({"GT": {"person.id": 1042}}), "3"),
        (json!({"GTE": {"person.id": 1042}}), "3 4"),
        (json!({"LT": {"person.id": 1028}}), "5"),
        (json!({"LTE": {"person.id": -3}}), "5"),
        (json!({"AND": [{"EQ": {org: "Finance"}}, {"GT": {"person.id": 0}}]}), "3"),
        (
            json!({"OR": [{"EQ": {"city": "Seattle"}}, {"AND": [
            {"NEQ": {org: "Dev Ops"}}, {"LT": {"person.id": 1030}}]}]}),
            "1 2 5",
        ),
    ] {
        let (keys, _) = found(json!({"filter": filter})).await;
        assert_eq!(keys, expected, "{filter}");
    }

    let sort = json!([{"key": "person.id", "order": "DESC"}]);
    let mut page = json!({"sort": sort, "page": {"limit": 2}});
    let mut pages = Vec::new();
    loop {
        let (keys, token) = found(page.clone()).await;
        pages.push(keys);
        if token.is_empty() {
            break;
        }
        page["page"]["token"] = token.into();
    }
    assert_eq!(pages, ["3 4", "1 2", "5"]);

    let answer = query(&*store, json!({"filter": {"EQ": {"city": "Seattle"}}}), "people").await;
    let item = answer.unwrap().items.remove(0);
    assert_eq!(item.etag.as_deref(), Some("1"));
    let value: Value = serde_json::from_slice(&item.data).unwrap();
    assert_eq!(value["person"]["id"], 1036);

    for (filter, index, part) in [
        (json!({}), "", "query index not found"),
        (json!({}), "orders", "\"orders\" not found"),
        (json!({"EQ": {"state": "WA"}}), "people", "\"state\" is not indexed"),
        (json!({"GT": {"city": "M"}}), "people", "`city`"),
        (json!({"EQ": {"city": true}}), "people", "`city`"),
        (json!({"EQ": {"person.id": "x"}}), "people", "`person.id`"),
    ] {
        let error = query(&*store, json!({"filter": filter}), index).await;
        let error = error.unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[tokio::test]
async fn an_index_of_the_same_name_is_made_anew_and_what_is_none_is_refused() {
    let Some(redis) = Redis::start_with_modules() else { return };
    drop(store(&redis, &[("queryIndexes", INDEXES)]).await.unwrap());
    let other = r#"[{"name": "people", "indexes": [{"key": "age", "type": "NUMERIC"}]}]"#;
    let store_ = store(&redis, &[("queryIndexes", other)]).await.unwrap();
    store_.set(&cx(), json_set(set("1", r#"{"age": 5}"#))).await.unwrap();
    let answer = query(&*store_, json!({"filter": {"EQ": {"age": 5}}}), "people").await.unwrap();
    assert_eq!(answer.items.len(), 1);
    for wrong in ["people", "[{}]", r#"[{"name": "", "indexes": []}]"#] {
        let error = store(&redis, &[("queryIndexes", wrong)]).await.err().expect("refused");
        assert!(error.to_string().contains("`queryIndexes`"), "{error}");
    }
}

#[tokio::test]
async fn indexes_are_not_to_be_had_in_a_cluster() {
    let open = async |more: &[(&str, &str)]| {
        let pairs = [
            ("redisHost", "127.0.0.1:1"),
            ("redisType", "cluster"),
            ("redisMaxRetries", "-1"),
            ("queryIndexes", INDEXES),
        ];
        open(&pairs, more).await.err().expect("nobody is there").to_string()
    };
    let error = open(&[]).await;
    assert!(error.contains("`queryIndexes` cannot be had in a cluster"), "{error}");
    // What sentinels watch is none, whatever the type says.
    let error = open(&[("failover", "true"), ("sentinelMasterName", "shop")]).await;
    assert!(error.contains("sentinel at 127.0.0.1:1"), "{error}");
}
