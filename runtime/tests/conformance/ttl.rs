//! Values that end.

use replug_component::state::{GetRequest, GetResponse, Page, StateStore};
use serde_json::json;

use super::Store;
use super::requests::{assert_mismatch, cx, delete, first, get, query, set, set_for, set_with};

pub async fn a_value_with_a_ttl_is_gone_after_it(store: &dyn StateStore, kind: Store) {
    store.set(&cx(), set_for("ttl-kept", "kept", "1")).await.unwrap();
    let again = if kind.keeps_end_of_life {
        set_for("ttl-kept", "kept", "-1")
    } else {
        set("ttl-kept", "kept")
    };
    store.set(&cx(), again).await.unwrap();
    store.set(&cx(), set_for("ttl-again", "kept", "1")).await.unwrap();
    store.set(&cx(), set("ttl-again", "kept")).await.unwrap();
    store.set(&cx(), set_for("ttl-forever", "kept", "-1")).await.unwrap();
    store.set(&cx(), set_for("ttl-long", "kept", "3600")).await.unwrap();
    // The last, so that it is read while it lives.
    store.set(&cx(), set_for("ttl", "{\"marker\":\"ttl\"}", "1")).await.unwrap();

    let alive = get(store, "ttl").await;
    if kind.tells_end_of_life {
        let end = &alive.metadata["ttlExpireTime"];
        assert_eq!((end.len(), &end[10..11], &end[19..]), (20, "T", "Z"), "{end}");
        assert!(get(store, "ttl-long").await.metadata["ttlExpireTime"] > *end);
    }
    let old = alive.etag.expect("it is alive");
    assert!(get(store, "ttl-kept").await.metadata.is_empty());

    tokio::time::sleep(kind.gone_after).await;
    assert_eq!(get(store, "ttl").await, GetResponse::default());
    let reads = vec![GetRequest { key: "ttl".into(), ..GetRequest::default() }];
    assert_eq!(store.bulk_get(&cx(), reads, None).await.unwrap()[0].value, GetResponse::default());
    assert_eq!(get(store, "ttl-again").await.etag.is_none(), kind.keeps_end_of_life);
    if kind.queries {
        let found = query(store, json!({"EQ": {"marker": "ttl"}}), &[], Page::default()).await;
        assert!(found.unwrap().items.is_empty());
    }
    assert_mismatch(&store.set(&cx(), set_with("ttl", "new", &old)).await);
    assert_mismatch(&store.delete(&cx(), delete("ttl", Some(&old))).await);
    store.set(&cx(), first("ttl", "new")).await.unwrap();
    assert!(get(store, "ttl").await.metadata.is_empty());
    for kept in ["ttl-kept", "ttl-forever", "ttl-long"] {
        assert_eq!(get(store, kept).await.data, "kept");
    }
}

pub async fn a_wrong_ttl_is_refused(store: &dyn StateStore) {
    for ttl in ["soon", "1.5", "1s", "99999999999999999999"] {
        let error = store.set(&cx(), set_for("ttl-wrong", "x", ttl)).await.unwrap_err();
        assert!(error.to_string().contains(ttl), "{error}");
    }
    assert_eq!(get(store, "ttl-wrong").await.etag, None);
}
