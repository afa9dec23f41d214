//! What is read of what was written.

use bytes::Bytes;
use replug_component::state::{GetResponse, StateStore};

use super::requests::{cx, get, set};

pub async fn a_missing_key_reads_as_nothing(store: &dyn StateStore) {
    assert_eq!(get(store, "missing").await, GetResponse::default());
}

pub async fn a_value_is_read_as_it_was_written(store: &dyn StateStore) {
    let every_byte: Vec<u8> = (0..=255).collect();
    for value in [
        Bytes::from_static(b"text"),
        Bytes::new(),
        Bytes::from_static(b"{\"json\": [1, 2.50, null]}"),
        Bytes::from_static("Grüße, 世界".as_bytes()),
        Bytes::from_static(b"zero\0byte"),
        Bytes::from(every_byte),
        Bytes::from(vec![b'x'; 1 << 20]),
    ] {
        store.set(&cx(), set("round-trip", value.clone())).await.unwrap();
        let got = get(store, "round-trip").await;
        assert_eq!(got.data, value);
        assert!(got.etag.is_some());
        assert!(got.metadata.is_empty());
    }
    for key in ["", "app||key", "key with space", "ключ", "'; DROP TABLE state; --", "%_?1"] {
        store.set(&cx(), set(key, key.to_owned())).await.unwrap();
        assert_eq!(get(store, key).await.data, key);
    }
}
