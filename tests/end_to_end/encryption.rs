//! State whose values are encrypted, with a plugin that prints what it is given.

use rustix::process::Signal;

use crate::daprd::{flags, home, start};
use crate::rig::{Home, Ports, Replug, http, misbehave};

const KEYS: &str = r#"{
    "new": "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
    "old": "0f0e0d0c0b0a09080706050403020100"
}"#;

/// A plugin, and Dapr's YAML of a component over it whose values are encrypted.
fn encrypted() -> Home {
    let plan = format!("[plugins.p]\ncommand = [\"{}\", \"tell\"]\n", misbehave());
    let home = home(&plan, &[]);
    std::fs::write(home.path("secrets.json"), KEYS).unwrap();
    let components = format!(
        "apiVersion: dapr.io/v1alpha1\n\
         kind: Component\n\
         metadata: {{name: vault}}\n\
         spec:\n\
         \x20 type: secretstores.local.file\n\
         \x20 version: v1\n\
         \x20 metadata: [{{name: secretsFile, value: {}}}]\n\
         ---\n\
         apiVersion: dapr.io/v1alpha1\n\
         kind: Component\n\
         metadata: {{name: orders}}\n\
         spec:\n\
         \x20 type: state.misbehave\n\
         \x20 version: v1\n\
         \x20 metadata:\n\
         \x20 - {{name: table, value: t}}\n\
         \x20 - {{name: primaryEncryptionKey, secretKeyRef: {{name: new, key: new}}}}\n\
         \x20 - {{name: secondaryEncryptionKey, secretKeyRef: {{name: old, key: old}}}}\n\
         auth: {{secretStore: vault}}\n",
        home.path("secrets.json").display()
    );
    std::fs::write(home.path("components/a.yaml"), components).unwrap();
    home
}

/// What the plugin was given to keep under this key.
async fn given(replug: &Replug, key: &str) -> String {
    let line = replug.line(&format!("given shop||{key} = ")).await;
    let at = line.find(" = ").unwrap() + 3;
    line[at..].split(['"', ' ', '\n']).next().unwrap().to_owned()
}

#[tokio::test]
async fn a_plugin_is_given_what_it_cannot_read_and_applications_read_what_they_stored() {
    let (home, ports) = (encrypted(), Ports::free());
    let mut replug = start(&home, &ports, &[]).await;
    let address = ports.http;
    let made_with = replug.line("made with ").await;
    assert!(made_with.contains("table") && !made_with.contains("ncryptionKey"), "{made_with}");
    let path = "/v1.0/state/orders";
    for (path, body) in [
        (path, r#"[{"key":"one","value":"word"}]"#),
        (path, r#"[{"key":"two","value":{"word":1}},{"key":"three","value":"word"}]"#),
        (
            "/v1.0/state/orders/transaction",
            r#"{"operations":[{"operation":"upsert","request":{"key":"four","value":"word"}}]}"#,
        ),
    ] {
        let saved = http::request(address, "POST", path, body).await;
        assert_eq!((saved.status.as_u16(), saved.body.as_str()), (204, ""), "{body}");
    }
    for (key, value) in
        [("one", "word"), ("two", r#"{"word":1}"#), ("three", "word"), ("four", "word")]
    {
        let kept = given(&replug, key).await;
        assert!(kept.ends_with("||new") && !kept.contains("word"), "{kept}");
        let got = http::request(address, "GET", &format!("{path}/{key}"), "").await;
        assert_eq!((got.status.as_u16(), got.body.as_str()), (200, value));
    }
    let log = replug.log();
    assert!(!log.contains("00010203") && !log.contains("0f0e0d0c"), "{log}");

    replug.kill_plugin("p").await;
    let saved = http::request(address, "POST", path, r#"[{"key":"five","value":"word"}]"#).await;
    assert_eq!(saved.status.as_u16(), 204);
    assert!(given(&replug, "five").await.ends_with("||new"));
    replug.signal(Signal::TERM);
    assert!(replug.ended().await.success());
    replug.assert_nothing_left();
}

#[tokio::test]
async fn a_store_whose_key_nobody_keeps_ends_the_start() {
    let (home, ports) = (encrypted(), Ports::free());
    let file = home.path("components/a.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("auth: {secretStore: vault}\n", "")).unwrap();
    let mut replug = Replug::spawn_daprd(&home, &flags(&home, &ports, &[]));
    replug.line("`primaryEncryptionKey` has to be kept by a secret store").await;
    assert!(!replug.ended().await.success());
    replug.assert_nothing_left();
}
