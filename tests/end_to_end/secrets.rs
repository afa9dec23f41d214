//! Secret stores in processes of their own, as an application meets them.

use crate::rig::{Application, Home, Replug, Status, http};

#[tokio::test]
async fn secrets_are_given_while_their_plugin_is_killed() {
    let home = Home::empty();
    let file = home.path("secrets.json");
    std::fs::write(&file, r#"{"db": {"password": "first"}}"#).unwrap();
    home.write_plan(&format!(
        "[plugins.vault]\n\
         builtin = \"secretstores.local.file\"\n\
         [components.vault]\n\
         type = \"secretstores.local.file\"\n\
         metadata = {{ secretsFile = {file:?} }}\n"
    ));
    let mut replug = Replug::start(&home).await;
    let status = replug.until_usable("vault").await;
    assert_eq!(status.plugin("vault").unwrap().serves, ["secretstores.local.file"]);
    let address = status.address("http");
    let path = "/v1.0/secrets/vault/db:password";
    let got = http::request(address, "GET", path, "").await;
    assert_eq!((got.status.as_u16(), got.body.as_str()), (200, "{\"db:password\":\"first\"}\n"));

    // The next generation reads the file anew, and the caller waits for it.
    std::fs::write(&file, r#"{"db": {"password": "second"}}"#).unwrap();
    replug.kill_at_once("vault").await;
    let got = http::request(address, "GET", path, "").await;
    assert_eq!((got.status.as_u16(), got.body.as_str()), (200, "{\"db:password\":\"second\"}\n"));
    replug.stop(&home).await;
}

#[tokio::test]
async fn a_plugins_own_error_reaches_the_application() {
    let home = Home::new(
        "[plugins.vault]\n\
         builtin = \"secretstores.local.file\"\n\
         [components.vault]\n\
         type = \"secretstores.local.file\"\n\
         metadata = { secretsFile = \"/does/not/exist\" }\n",
    );
    let mut replug = Replug::start(&home).await;
    let status =
        replug.until("vault failed", |status| status.component_is("vault", "failed")).await;
    let got = http::request(status.address("http"), "GET", "/v1.0/secrets/vault/k", "").await;
    assert_eq!(got.status.as_u16(), 503);
    assert!(got.body.contains("/does/not/exist: No such file"), "{}", got.body);
    replug.stop(&home).await;
}

/// A plugin whose variable and whose component's metadata are kept by a store, which another plugin
/// serves.
fn referring(home: &Home) -> String {
    let secrets = home.path("secrets.json");
    let content = serde_json::json!({
        "token": "word-of-the-plugin",
        "dsn": home.path("word-of-the-component.db"),
    });
    std::fs::write(&secrets, content.to_string()).unwrap();
    format!(
        "[plugins.vault]\n\
         builtin = \"secretstores.local.file\"\n\
         start = \"manual\"\n\
         [components.vault]\n\
         type = \"secretstores.local.file\"\n\
         metadata = {{ secretsFile = \"{}\" }}\n\
         [plugins.settings]\n\
         builtin = \"state.sqlite\"\n\
         env = {{ TOKEN = {{ secret = \"vault/token\" }} }}\n\
         [components.kv]\n\
         type = \"state.sqlite\"\n\
         metadata = {{ connectionString = {{ secret = \"vault/dsn\" }} }}\n",
        secrets.display()
    )
}

#[tokio::test]
async fn who_needs_a_secret_waits_for_its_store_and_nothing_shows_the_value() {
    let home = Home::empty();
    home.write_plan(&referring(&home));
    let mut replug = Replug::start(&home).await;
    let waits = "waits for the secret store vault";
    replug
        .until("settings waits", |status| status.plugin("settings").unwrap().why() == waits)
        .await;
    // It can be stopped and started as at any other time.
    let stopped = replug.command(&["stop", "settings"]).await;
    assert_eq!(stopped.code, Some(0), "{}", stopped.stderr);
    let starting = replug.spawn_command(&["start", "settings"]);
    replug
        .until("settings waits", |status| status.plugin("settings").unwrap().why() == waits)
        .await;
    let started = replug.command(&["start", "vault"]).await;
    assert_eq!(started.code, Some(0), "{}", started.stderr);
    assert!(starting.wait_with_output().await.unwrap().status.success());
    let status = replug.until_usable("kv").await;
    let application = Application::new(&status, "kv");
    application.save("tea", "oolong").await.unwrap();
    assert!(home.path("word-of-the-component.db").exists());
    let pid = status.plugin("settings").unwrap().pid.unwrap();
    let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap();
    let variable: &[u8] = b"TOKEN=word-of-the-plugin";
    assert!(environment.split(|byte| *byte == 0).any(|it| it == variable));

    // A store that is away keeps the next generation waiting, and callers with it.
    let stopped = replug.command(&["stop", "vault"]).await;
    assert_eq!(stopped.code, Some(0), "{}", stopped.stderr);
    replug.kill_at_once("settings").await;
    let calling = application.get("tea");
    let starting = async {
        let waits = |status: &Status| status.plugin("settings").unwrap().why() == waits;
        replug.until("settings waits again", waits).await;
        let started = replug.command(&["start", "vault"]).await;
        assert_eq!(started.code, Some(0), "{}", started.stderr);
    };
    let (called, ()) = tokio::join!(calling, starting);
    assert_eq!(called.unwrap(), "oolong");

    for command in [
        &["status", "--json"][..],
        &["status", "settings", "vault"],
        &["components"],
        &["reload", "--dry-run"],
        &["check"],
    ] {
        let shown = replug.command(command).await;
        assert_eq!(shown.code, Some(0), "{command:?}: {}", shown.stderr);
        assert!(!shown.stdout.contains("word-of"), "{command:?}: {}", shown.stdout);
    }
    let log = replug.log();
    assert!(!log.contains("word-of"), "{log}");
    replug.stop(&home).await;
}

#[tokio::test]
async fn a_secret_that_is_not_there_is_told_and_had_as_soon_as_it_is() {
    let home = Home::empty();
    let plan = referring(&home).replace("vault/dsn", "vault/later").replace("manual", "auto");
    home.write_plan(&plan);
    let mut replug = Replug::start(&home).await;
    let failed = |status: &Status| status.component_is("kv", "failed");
    let status = replug.until("kv failed", failed).await;
    let why = status.component("kv").unwrap().why();
    assert!(why.contains("the secret store `vault` does not give `later`: "), "{why}");
    assert!(why.ends_with("secret later not found"), "{why}");
    assert!(status.plugin_is("settings", "ready"));
    let content = serde_json::json!({ "token": "t", "later": home.path("kv.db") });
    std::fs::write(home.path("secrets.json"), content.to_string()).unwrap();
    // A store reads its file when it starts, and who waits for a secret asks when a store has come.
    replug.command(&["restart", "vault"]).await;
    replug.until_usable("kv").await;
    replug.stop(&home).await;
}
