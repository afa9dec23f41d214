//! Secret stores in processes of their own, as an application meets them.

use crate::rig::{Home, Replug, http};

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
    assert_eq!((got.status.as_u16(), got.body.as_str()), (200, r#"{"db:password":"first"}"#));

    // The next generation reads the file anew, and the caller waits for it.
    std::fs::write(&file, r#"{"db": {"password": "second"}}"#).unwrap();
    let process = replug.process_of("vault").await;
    process.kill();
    process.gone().await;
    let got = http::request(address, "GET", path, "").await;
    assert_eq!((got.status.as_u16(), got.body.as_str()), (200, r#"{"db:password":"second"}"#));
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
