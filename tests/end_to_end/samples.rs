//! The sample plugins in Python, Node.js and Java.

use crate::rig::{Home, Replug, Sample, http};

#[test]
fn the_python_samples_pass_their_own_tests() {
    if Sample::Python.is_here() {
        Sample::Python.run_tests();
    }
}

#[test]
fn the_node_samples_pass_the_python_samples_tests() {
    if Sample::Python.is_here() && Sample::Node.is_here() {
        Sample::Node.run_tests();
    }
}

#[test]
fn the_java_samples_pass_the_python_samples_tests() {
    if Sample::Python.is_here() && Sample::Java.is_here() {
        Sample::Java.run_tests();
    }
}

#[tokio::test]
async fn the_python_vault_gives_secrets_while_it_is_killed() {
    give_secrets_between_kills(Sample::Python).await;
}

#[tokio::test]
async fn the_node_vault_gives_secrets_while_it_is_killed() {
    give_secrets_between_kills(Sample::Node).await;
}

#[tokio::test]
async fn the_java_vault_gives_secrets_while_it_is_killed() {
    give_secrets_between_kills(Sample::Java).await;
}

async fn give_secrets_between_kills(sample: Sample) {
    if !sample.is_here() {
        return;
    }
    let home = Home::empty();
    std::fs::write(home.path("secrets"), "token=abc\ndb.user=ada\ndb.password=first\n").unwrap();
    home.write_plan(&format!(
        "{}\
         [components.vault]\n\
         type = \"secretstores.{}\"\n\
         metadata = {{ file = \"secrets\" }}\n\
         hold = \"60s\"\n",
        sample.plugin("vault", "vault"),
        sample.name("vault"),
    ));
    let mut replug = Replug::start(&home).await;
    let status = replug.until_usable("vault").await;
    assert_eq!(
        status.plugin("vault").unwrap().serves,
        [format!("secretstores.{}", sample.name("vault"))]
    );
    assert_eq!(status.component("vault").unwrap().capabilities, ["MULTIPLE_KEY_VALUES_PER_SECRET"]);
    let address = status.address("http");

    let got = http::request(address, "GET", "/v1.0/secrets/vault/db", "").await;
    assert_eq!(got.body.trim_end(), r#"{"password":"first","user":"ada"}"#);
    std::fs::write(home.path("secrets"), "token=abc\ndb.password=second\n").unwrap();
    for (path, wanted) in [
        ("db", r#"{"password":"second"}"#),
        ("bulk", r#"{"db":{"password":"second"},"token":{"token":"abc"}}"#),
    ] {
        replug.kill_at_once("vault").await;
        let path = format!("/v1.0/secrets/vault/{path}");
        let got = http::request(address, "GET", &path, "").await;
        assert_eq!((got.status.as_u16(), got.body.trim_end()), (200, wanted), "{path}");
    }
    let got = http::request(address, "GET", "/v1.0/secrets/vault/nothing", "").await;
    assert_eq!(got.status.as_u16(), 500);
    assert!(got.body.contains("there is no secret `nothing`"), "{}", got.body);
    replug.stop(&home).await;
}
