//! An application on Dapr's public SDK for Rust, led step by step: ../README.md tells how.
//!
//! The SDK has no call for transactions, for several keys, nor for a delete with an etag.

use std::collections::HashMap;

use dapr::client::{Etag, StateItem, TonicClientWithAuth};
use dapr::error::Error;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

type Client = dapr::Client<TonicClientWithAuth>;

/// The components that it uses.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Components {
    state: String,
    secrets: String,
    pubsub: String,
    binding: String,
}

#[derive(Deserialize)]
#[serde(tag = "step", content = "arguments", rename_all = "snake_case")]
enum Step {
    Save { key: String, value: String, etag: Option<String> },
    SaveBulk { values: HashMap<String, String> },
    Get { key: String },
    Delete { key: String },
    Work { rounds: u32 },
    Secret { key: String },
    Secrets {},
    Publish { topic: String, data: String },
    Invoke { operation: String, data: Value },
}

fn main() {
    let components = std::env::args().nth(1).expect("the components are the first argument");
    let components: Components = serde_json::from_str(&components).expect("JSON");
    let runtime = Runtime::new().expect("a runtime");
    let mut client = runtime.block_on(Client::new()).expect("Dapr is there");
    say(&json!({ "ok": "connected" }));
    for line in std::io::stdin().lines() {
        let step = serde_json::from_str(&line.expect("the input can be read")).expect("a step");
        say(&match runtime.block_on(take(&mut client, &components, step)) {
            Ok(result) => json!({ "ok": result }),
            Err(error) => failure(&error),
        });
    }
}

async fn take(client: &mut Client, names: &Components, step: Step) -> Result<Value, Error> {
    let store = names.state.as_str();
    Ok(match step {
        Step::Save { key, value, etag } => {
            let etag = etag.map(|value| Etag { value });
            client.save_state(store, &key, value.into_bytes(), etag, None, None).await?;
            Value::Null
        }
        Step::SaveBulk { values } => {
            let items: Vec<StateItem> =
                values.into_iter().map(|(key, value)| (key, value.into_bytes()).into()).collect();
            client.save_bulk_states(store, items).await?;
            Value::Null
        }
        Step::Get { key } => {
            let found = client.get_state(store, &key, None).await?;
            json!({ "value": text(&found.data), "etag": found.etag })
        }
        Step::Delete { key } => {
            client.delete_state(store, &key, None).await?;
            Value::Null
        }
        Step::Work { rounds } => {
            for round in 0..rounds {
                let wanted = round.to_string();
                client.save_state(store, "work", wanted.clone().into(), None, None, None).await?;
                let got = client.get_state(store, "work", None).await?;
                assert_eq!(text(&got.data), wanted, "what was saved is read");
            }
            Value::Null
        }
        Step::Secret { key } => json!(client.get_secret(&names.secrets, &key).await?.data),
        Step::Publish { topic, data } => {
            let (pubsub, plain) = (names.pubsub.as_str(), "text/plain");
            client.publish_event(pubsub, &topic, plain, data.into_bytes(), None).await?;
            Value::Null
        }
        Step::Invoke { operation, data } => {
            let (binding, data) = (names.binding.as_str(), data.to_string().into_bytes());
            let answer = client.invoke_binding(binding, data, &operation, None).await?;
            json!(text(&answer.data))
        }
        Step::Secrets {} => {
            let found = client.get_bulk_secret(&names.secrets, None).await?.data;
            json!(
                found
                    .into_iter()
                    .map(|(key, value)| (key, value.secrets))
                    .collect::<HashMap<_, _>>()
            )
        }
    })
}

/// The SDK tells the status in its error's debug text alone.
fn failure(error: &Error) -> Value {
    let text = format!("{error:?}");
    let code = text.split("code: ").nth(1).and_then(|rest| rest.split([',', ' ']).next());
    json!({ "error": text, "code": code.unwrap_or_default() })
}

fn text(data: &[u8]) -> String {
    String::from_utf8_lossy(data).into_owned()
}

fn say(answer: &Value) {
    println!("answer {answer}");
}
