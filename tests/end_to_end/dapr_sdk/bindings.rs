//! Bindings: invoked by an SDK, and received by its server where it has one.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::AT_ONCE;
use super::session::Session;
use crate::rig::{Home, Sdk, mailbox, text};

const LETTERS: u32 = 4;

/// The component `inbox`, served by the plugin `mailbox`, and the application's port.
pub(super) fn plan(home: &Home, sdk: Sdk, port: Option<u16>) -> String {
    let app = port.map(|port| {
        let protocol = if matches!(sdk, Sdk::Python | Sdk::NodeGrpc) { "grpc" } else { "http" };
        format!("[app]\nport = {port}\nprotocol = {protocol:?}\n")
    });
    format!(
        "{}\
         [plugins.mailbox]\n\
         command = [{:?}]\n\
         {AT_ONCE}\
         [components.inbox]\n\
         type = \"bindings.mailbox\"\n\
         metadata = {{ folder = {:?} }}\n\
         replay = \"all\"\n",
        app.unwrap_or_default(),
        mailbox(),
        text(&home.path("letters")),
    )
}

/// Whether the SDK has a server that takes events of bindings.
pub(super) fn receives(sdk: Sdk) -> bool {
    !matches!(sdk, Sdk::Rust)
}

/// Each letter is sent after a kill of the plugin, and all of them come.
pub(super) async fn send_after_kills(session: &mut Session, plugin: &str) {
    for letter in 0..LETTERS {
        let asked = json!({ "operation": "create", "data": { "letter": letter } });
        let _: String = session.step_after_kill(plugin, "invoke", asked).await;
    }
    let wanted: BTreeSet<u64> = (0..LETTERS.into()).collect();
    if receives(session.sdk) {
        let mut seen = BTreeSet::new();
        while seen.len() < wanted.len() {
            // One that was answered just before a kill may come twice.
            let event: Value = session.step("event", json!({})).await;
            seen.insert(event["letter"].as_u64().unwrap());
        }
        assert_eq!(seen, wanted);
    } else {
        let mut letters = BTreeSet::new();
        for entry in std::fs::read_dir(session.home.path("letters")).unwrap() {
            let letter = std::fs::read(entry.unwrap().path()).unwrap();
            let letter: Value = serde_json::from_slice(&letter).unwrap();
            letters.insert(letter["letter"].as_u64().unwrap());
        }
        assert_eq!(letters, wanted);
    }
    session.assert_killed(plugin, LETTERS.into()).await;
}
