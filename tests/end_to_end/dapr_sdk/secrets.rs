//! Secrets.

use std::collections::HashMap;

use serde_json::json;

use super::AT_ONCE;
use super::session::Session;
use crate::rig::{Home, text};

/// The component `vault`, served by a plugin of the same name.
pub(super) fn plan(home: &Home) -> String {
    let file = home.path("secrets.json");
    std::fs::write(&file, r#"{"token": "abc", "db": {"user": "ada", "password": "first"}}"#)
        .unwrap();
    let file = text(&file);
    format!(
        "[plugins.vault]\n\
         builtin = \"secretstores.local.file\"\n\
         {AT_ONCE}\
         [components.vault]\n\
         type = \"secretstores.local.file\"\n\
         metadata = {{ secretsFile = {file:?} }}\n"
    )
}

/// Each secret is there after a kill, by itself and with all the others.
pub(super) async fn get_between_kills(session: &mut Session, plugin: &str) {
    for (key, value) in [("token", "abc"), ("db:password", "first")] {
        let got: HashMap<String, String> =
            session.step_after_kill(plugin, "secret", json!({ "key": key })).await;
        assert_eq!(got, HashMap::from([(key.to_owned(), value.to_owned())]));
    }
    let all: HashMap<String, HashMap<String, String>> =
        session.step_after_kill(plugin, "secrets", json!({})).await;
    let wanted = [("token", "abc"), ("db:user", "ada"), ("db:password", "first")];
    let one = |key: &str, value: &str| HashMap::from([(key.to_owned(), value.to_owned())]);
    assert_eq!(all, wanted.map(|(key, value)| (key.to_owned(), one(key, value))).into());
    session.assert_killed(plugin, 3).await;
}
