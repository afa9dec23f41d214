//! What queries find.

use replug_component::state::{Page, SortOrder, StateStore};
use serde_json::{Value, json};

use super::requests::{cx, get, query, set};

/// Writes documents whose keys begin with `prefix` and that have it as their member `in`.
async fn documents(store: &dyn StateStore, prefix: &str, documents: &[(&str, Value)]) {
    let writes = documents.iter().map(|(key, document)| {
        let mut document = document.clone();
        document["in"] = prefix.into();
        set(&format!("{prefix}{key}"), document.to_string())
    });
    store.bulk_set(&cx(), writes.collect(), None).await.unwrap();
}

/// The keys that a filter finds among the documents of `prefix`, without it.
async fn found(store: &dyn StateStore, prefix: &str, filter: Value) -> Vec<String> {
    let both = json!({"AND": [{"EQ": {"in": prefix}}, filter]});
    let response = query(store, both, &[], Page::default()).await.unwrap();
    assert_eq!(response.token, "");
    response.items.into_iter().map(|item| item.key[prefix.len()..].to_owned()).collect()
}

pub async fn a_query_finds_what_its_filter_says(store: &dyn StateStore) {
    let prefix = "query-filter-";
    let all = [
        ("1", json!({"person": {"org": "Dev Ops", "id": 1036}, "state": "WA", "old": true})),
        ("2", json!({"person": {"org": "Hardware", "id": 1028.5}, "state": "OR", "old": false})),
        ("3", json!({"person": {"org": "Finance", "id": "1071"}, "state": "CA", "old": null})),
        ("4", json!({"person": ["Dev Ops"], "state": "ca"})),
        ("5", json!({"person": {"org": {"name": "Dev Ops"}}, "state": "Ça"})),
        ("6", json!({"person": {"id": 9_007_199_254_740_993_i64}, "dotted.name": 1})),
    ];
    documents(store, prefix, &all).await;
    for (filter, expected) in [
        (json!({"EQ": {"person.org": "Dev Ops"}}), vec!["1"]),
        (json!({"EQ": {"person.id": 1036}}), vec!["1"]),
        (json!({"EQ": {"person.id": 1036.0}}), vec!["1"]),
        (json!({"EQ": {"person.id": "1036"}}), vec![]),
        (json!({"EQ": {"person.id": "1071"}}), vec!["3"]),
        (json!({"EQ": {"old": true}}), vec!["1"]),
        (json!({"EQ": {"old": 1}}), vec![]),
        (json!({"EQ": {"old": null}}), vec!["3", "4", "5", "6"]),
        (json!({"NEQ": {"state": "CA"}}), vec!["1", "2", "4", "5", "6"]),
        (json!({"NEQ": {"old": null}}), vec!["1", "2"]),
        (json!({"GT": {"person.id": 1028.5}}), vec!["1", "6"]),
        (json!({"GTE": {"person.id": 1028.5}}), vec!["1", "2", "6"]),
        (json!({"LT": {"person.id": 1036}}), vec!["2"]),
        (json!({"LTE": {"person.id": 1036}}), vec!["1", "2"]),
        (json!({"GT": {"person.id": 9_007_199_254_740_992_i64}}), vec!["6"]),
        (json!({"GT": {"person.id": "1"}}), vec!["3"]),
        (json!({"LT": {"state": "a"}}), vec!["1", "2", "3"]),
        (json!({"GTE": {"state": "ca"}}), vec!["4", "5"]),
        (json!({"IN": {"state": ["CA", "WA"]}}), vec!["1", "3"]),
        (json!({"IN": {"person.id": [1036, "1071", null]}}), vec!["1", "3", "4", "5"]),
        (json!({"IN": {"old": [false, 7]}}), vec!["2"]),
        (json!({"EQ": {"dotted.name": 1}}), vec![]),
        (json!({"EQ": {"' OR 1=1 --": "x"}}), vec![]),
        (
            json!({"OR": [
                {"EQ": {"person.org": "Dev Ops"}},
                {"AND": [{"EQ": {"person.org": "Finance"}}, {"IN": {"state": ["CA", "WA"]}}]},
            ]}),
            vec!["1", "3"],
        ),
    ] {
        assert_eq!(found(store, prefix, filter.clone()).await, expected, "{filter}");
    }

    // What is not JSON is met by no filter and found without one.
    for (key, value) in [("text", &b"no json"[..]), ("bytes", b"\xff\0"), ("empty", b"")] {
        store.set(&cx(), set(&format!("{prefix}{key}"), value)).await.unwrap();
    }
    let response = query(store, json!({"NEQ": {"x": 1}}), &[], Page::default()).await.unwrap();
    assert!(!response.items.iter().any(|item| item.key == format!("{prefix}text")));
    let response = query(store, json!({}), &[], Page::default()).await.unwrap();
    let bytes = response.items.iter().find(|item| item.key == format!("{prefix}bytes")).unwrap();
    assert_eq!(bytes.data, &b"\xff\0"[..]);
    assert_eq!(bytes.etag, get(store, &bytes.key).await.etag);
}

pub async fn a_query_sorts_by_type_and_value(store: &dyn StateStore) {
    use SortOrder::{Ascending, Descending};

    let prefix = "query-sort-";
    let all = [
        ("a", json!({"by": "b", "then": 2})),
        ("b", json!({"by": "b", "then": 1})),
        ("c", json!({"by": 10})),
        ("d", json!({"by": 9.5})),
        ("e", json!({"by": null})),
        ("f", json!({})),
        ("g", json!({"by": true})),
        ("h", json!({"by": false})),
        ("i", json!({"by": [1]})),
        ("j", json!({"by": {"x": 1}})),
        ("k", json!({"by": "B"})),
        ("l", json!({"by": "é"})),
    ];
    documents(store, prefix, &all).await;
    let sorted = async |sort: &[(&str, SortOrder)]| {
        let mine = json!({"EQ": {"in": prefix}});
        let response = query(store, mine, sort, Page::default()).await.unwrap();
        response.items.iter().map(|item| item.key[prefix.len()..].to_owned()).collect::<String>()
    };
    assert_eq!(sorted(&[]).await, "abcdefghijkl");
    assert_eq!(sorted(&[("by", Ascending)]).await, "efhgdckablij");
    assert_eq!(sorted(&[("by", Descending)]).await, "ijlabkcdghef");
    assert_eq!(sorted(&[("by", Ascending), ("then", Ascending)]).await, "efhgdckbalij");
    assert_eq!(sorted(&[("in", Ascending), ("then", Descending)]).await, "abcdefghijkl");
}

pub async fn pages_of_a_query_are_complete_and_do_not_overlap(store: &dyn StateStore) {
    let prefix = "query-page-";
    let keys: Vec<String> = (0..10).map(|key| key.to_string()).collect();
    let all: Vec<_> = keys.iter().map(|key| (key.as_str(), json!({"same": 1}))).collect();
    documents(store, prefix, &all).await;
    for limit in [1, 3, 5, 10, 20] {
        let (mut seen, mut page) = (Vec::new(), Page { limit, token: String::new() });
        loop {
            let sort = [("same", SortOrder::Descending)];
            let mine = json!({"EQ": {"in": prefix}});
            let response = query(store, mine, &sort, page.clone()).await.unwrap();
            assert!(response.items.len() as u64 <= limit);
            seen.extend(response.items.into_iter().map(|item| item.key[prefix.len()..].to_owned()));
            page.token = response.token;
            if page.token.is_empty() {
                break;
            }
        }
        assert_eq!(seen, keys, "{limit} at once");
    }
}

pub async fn a_malformed_query_is_refused(store: &dyn StateStore) {
    for filter in [
        json!({"LIKE": {"a": "b"}}),
        json!({"EQ": 5}),
        json!({"EQ": {"a": {"b": 1}}}),
        json!({"AND": [{"EQ": {"a": 1}}]}),
        json!({"IN": {"a": []}}),
        json!({"EQ": {"": 1}}),
    ] {
        let error = query(store, filter.clone(), &[], Page::default()).await.unwrap_err();
        assert!(error.to_string().contains("query"), "{filter}: {error}");
    }
    let page = Page { limit: 1, token: "next".into() };
    let error = query(store, json!({}), &[], page).await.unwrap_err();
    assert!(error.to_string().contains("`next`"), "{error}");
}
