//! Answers of the state routes.

use std::collections::BTreeMap;

use replug_component::state::{BulkGetItem, QueryItem, QueryResponse};

use crate::api::dapr::json::{Fields, compacted, list};

/// What a key's error says whose value JSON cannot hold. Dapr answers the whole request with an
/// empty body then, which loses the other keys as well.
const NOT_JSON: &str = "the value is not JSON: read it by its key alone";

/// The answer of a bulk get.
pub(super) fn bulk(items: Vec<BulkGetItem>) -> Vec<u8> {
    list(items.into_iter().map(|item| {
        let mut fields = Fields::new();
        fields.field("key", &item.key);
        let mut error = item.error;
        if !item.value.data.is_empty() {
            match compacted(&item.value.data) {
                Some(data) => fields.text("data", data.as_bytes()),
                None => NOT_JSON.clone_into(&mut error),
            }
        }
        if let Some(etag) = item.value.etag.filter(|etag| !etag.is_empty()) {
            fields.field("etag", &etag);
        }
        if !item.value.metadata.is_empty() {
            let sorted: BTreeMap<_, _> = item.value.metadata.into_iter().collect();
            fields.field("metadata", &sorted);
        }
        if !error.is_empty() {
            fields.field("error", &error);
        }
        fields.end()
    }))
}

/// The answer of a query.
pub(super) fn query(found: QueryResponse) -> Vec<u8> {
    let mut fields = Fields::new();
    fields.text("results", &list(found.items.into_iter().map(query_item)));
    if !found.token.is_empty() {
        fields.field("token", &found.token);
    }
    if !found.metadata.is_empty() {
        fields.field("metadata", &found.metadata.into_iter().collect::<BTreeMap<_, _>>());
    }
    fields.end()
}

fn query_item(item: QueryItem) -> Vec<u8> {
    let mut fields = Fields::new();
    fields.field("key", &item.key);
    let mut error = item.error;
    if let Some(data) = compacted(&item.data) {
        fields.text("data", data.as_bytes());
    } else {
        fields.text("data", b"null");
        if !item.data.is_empty() && error.is_empty() {
            NOT_JSON.clone_into(&mut error);
        }
    }
    if let Some(etag) = item.etag.filter(|etag| !etag.is_empty()) {
        fields.field("etag", &etag);
    }
    if !error.is_empty() {
        fields.field("error", &error);
    }
    fields.end()
}
