//! Dapr's public Python SDK, as it comes, while plugins are killed between its calls.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::rig::{Home, Led, Replug, notebook, python_sample, require_tool};

/// Kills that follow each other closely make the delay grow, which is not what is tested here.
const AT_ONCE: &str = "backoff = { max = \"100ms\" }\n";

#[derive(Debug, Deserialize)]
struct State {
    value: String,
    etag: String,
}

#[derive(Debug, Deserialize)]
struct Found {
    keys: Vec<String>,
    values: HashMap<String, Value>,
    token: String,
}

#[tokio::test]
async fn the_dapr_sdk_works_on_through_kills_of_the_python_plugin() {
    if !require_tool("python3", &["--version"]) {
        return;
    }
    let plan = format!(
        "[plugins.python-sqlite]\n\
         command = {}\n\
         {AT_ONCE}\
         [components.orders]\n\
         type = \"state.python-sqlite\"\n\
         metadata = {{ database = \"orders.db\" }}\n",
        python_sample()
    );
    use_every_state_call_between_kills(&plan, "python-sqlite").await;
}

#[tokio::test]
async fn the_dapr_sdk_works_on_through_kills_of_the_rust_sample() {
    if !require_tool("python3", &["--version"]) {
        return;
    }
    let plan = format!(
        "[plugins.notebook]\n\
         command = [{:?}]\n\
         {AT_ONCE}\
         [components.orders]\n\
         type = \"state.notebook\"\n\
         metadata = {{ path = \"orders.journal\" }}\n",
        notebook()
    );
    use_every_state_call_between_kills(&plan, "notebook").await;
}

#[tokio::test]
async fn the_dapr_sdk_works_on_through_kills_of_the_built_in_plugin() {
    if !require_tool("python3", &["--version"]) {
        return;
    }
    let plan = format!(
        "[plugins.settings]\n\
         builtin = \"state.sqlite\"\n\
         {AT_ONCE}\
         [components.orders]\n\
         type = \"state.sqlite\"\n\
         metadata = {{ connectionString = \"orders.db\" }}\n"
    );
    use_every_state_call_between_kills(&plan, "settings").await;
}

/// Every kind of call, with a kill of the plugin before each: what was acknowledged is there, and
/// no call fails.
async fn use_every_state_call_between_kills(plan: &str, plugin: &str) {
    let home = Home::new(plan);
    let mut replug = Replug::start(&home).await;
    replug.until_ready(plugin).await;
    let status = replug.until_usable("orders").await;
    assert_eq!(status.component("orders").unwrap().served_by.as_deref(), Some(plugin));
    let mut application = Led::start(&status, "orders").await;

    let () = application.step("save", json!({ "key": "one", "value": "1" })).await.unwrap();
    replug.kill_plugin(plugin).await;
    let one: State = application.step("get", json!({ "key": "one" })).await.unwrap();
    assert_eq!(one.value, "1");

    replug.kill_plugin(plugin).await;
    let values = json!({ "two": "2", "three": "3" });
    let () = application.step("save_bulk", json!({ "values": values })).await.unwrap();
    replug.kill_plugin(plugin).await;
    let keys = json!({ "keys": ["one", "two", "three"] });
    let all: HashMap<String, String> = application.step("get_bulk", keys).await.unwrap();
    let wanted = [("one", "1"), ("two", "2"), ("three", "3")];
    assert_eq!(all, wanted.map(|(key, value)| (key.into(), value.into())).into());

    replug.kill_plugin(plugin).await;
    let operations = json!({ "set": { "four": "4" }, "delete": ["two"] });
    let () = application.step("transact", operations).await.unwrap();
    replug.kill_plugin(plugin).await;
    let two: State = application.step("get", json!({ "key": "two" })).await.unwrap();
    let four: State = application.step("get", json!({ "key": "four" })).await.unwrap();
    assert_eq!((two.value.as_str(), four.value.as_str()), ("", "4"));

    // The etag of before the kill still holds after it, once.
    replug.kill_plugin(plugin).await;
    let with_etag = |value| json!({ "key": "one", "value": value, "etag": one.etag });
    let () = application.step("save", with_etag("first")).await.unwrap();
    let refused = application.step::<()>("save", with_etag("second")).await.unwrap_err();
    assert_eq!(refused.code, "ABORTED", "{}", refused.text);
    let first: State = application.step("get", json!({ "key": "one" })).await.unwrap();
    assert_eq!(first.value, "first");

    replug.kill_plugin(plugin).await;
    query(&mut application).await;

    replug.kill_plugin(plugin).await;
    let with_etag = json!({ "key": "one", "etag": first.etag });
    let () = application.step("delete", with_etag).await.unwrap();
    let gone: State = application.step("get", json!({ "key": "one" })).await.unwrap();
    assert_eq!(gone.value, "");

    let status = replug.status().await;
    let plugin = status.plugin(plugin).unwrap();
    assert_eq!((plugin.generation, plugin.restarts), (9, 8));
    assert!(plugin.end().contains("SIGKILL"), "{}", plugin.end());
    drop(application);
    replug.stop(&home).await;
}

async fn query(application: &mut Led) {
    let people = json!({
        "a": json!({ "person": { "org": "A", "id": 3 } }).to_string(),
        "b": json!({ "person": { "org": "B", "id": 1 } }).to_string(),
        "c": json!({ "person": { "org": "A", "id": 2 } }).to_string(),
    });
    let () = application.step("save_bulk", json!({ "values": people })).await.unwrap();
    let asked = json!({
        "filter": { "OR": [
            { "EQ": { "person.org": "A" } },
            { "IN": { "person.id": [1, 17] } },
        ]},
        "sort": [{ "key": "person.id", "order": "DESC" }],
        "page": { "limit": 2 },
    });
    let found: Found = application.step("query", json!({ "query": asked })).await.unwrap();
    assert_eq!(found.keys, ["a", "c"]);
    assert_eq!(found.values["a"], json!({ "person": { "org": "A", "id": 3 } }));
    assert_ne!(found.token, "");
}
