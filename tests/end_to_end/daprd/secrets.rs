//! Components that need secrets of others.

use super::*;

/// A component that needs a secret which it does not get is made without it; one whose store is not
/// there, or failed, is made when that is.
#[tokio::test]
async fn what_a_secret_store_does_not_give_ends_nothing() {
    let keeper = "
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: keeper}
spec: {type: secretstores.local.env, version: v1}
";
    let failing = "
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: failing}
spec:
  ignoreErrors: true
  type: secretstores.local.file
  version: v1
  metadata: [{name: secretsFile, value: /nowhere.json}]
";
    let of = |name: &str, store: &str| {
        let named = IN_MEMORY.replace("orders", name);
        let secret = "{name: unused, secretKeyRef: {name: NOT_IN_THE_ENVIRONMENT, key: key}}";
        format!("{named}  metadata: [{secret}]\nauth: {{secretStore: {store}}}\n")
    };
    let (one, two, three) = (of("one", "keeper"), of("two", "nobody"), of("three", "failing"));
    let files = [
        ("a.yaml", keeper),
        ("b.yaml", failing),
        ("c.yaml", &one),
        ("d.yaml", &two),
        ("e.yaml", &three),
    ];
    let (home, ports) = (home("", &files), Ports::free());
    let mut replug = start(&home, &ports, &[]).await;
    replug.line("Component two references a secret store that isn't loaded: nobody").await;
    replug.line("Component three references a secret store that isn't loaded: failing").await;
    replug.line("Component loaded: one (state.in-memory/v1)").await;
    replug.line("dapr initialized. Status: Running.").await;
    assert_eq!(get(ports.http, "/v1.0/state/one/1").await.0, 204);
    let (status, refused) = get(ports.http, "/v1.0/state/two/1").await;
    assert_eq!(status, 503, "{refused}");
    assert!(refused["message"].as_str().unwrap().contains("there is no secret store `nobody`"));
    write(&home, "f.yaml", &keeper.replace("keeper", "nobody"));
    replug.until_usable("two").await;
    assert_eq!(get(ports.http, "/v1.0/state/two/1").await.0, 204);
    replug.stop(&home).await;
}

/// However their files are called: a store that needs another comes after it.
#[tokio::test]
async fn secret_stores_that_need_each_other_in_a_row_are_there_from_the_start() {
    let home = home("", &[]);
    let file = home.path("secrets.json");
    std::fs::write(&file, r#"{"yes": "true", "n": {"x": "1"}}"#).unwrap();
    let store = |name: &str, needs: &str| {
        let file = file.display();
        let secret = "{name: multiValued, secretKeyRef: {name: \"yes\"}}";
        let (more, auth) = match needs {
            "" => (String::new(), String::new()),
            needs => (format!(", {secret}"), format!("auth: {{secretStore: {needs}}}\n")),
        };
        format!(
            "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {{name: {name}}}\nspec:\n  \
             type: secretstores.local.file\n  version: v1\n  metadata: [{{name: secretsFile, \
             value: {file}}}{more}]\n{auth}"
        )
    };
    for (name, needs) in [("a", "b"), ("b", "c"), ("c", "")] {
        write(&home, &format!("{name}.yaml"), &store(name, needs));
    }
    let ports = Ports::free();
    let replug = start(&home, &ports, &[]).await;
    assert_eq!(get(ports.http, "/v1.0/secrets/a/n").await, (200, serde_json::json!({"x": "1"})));
    for name in ["a", "b", "c"] {
        replug.line(&format!("Component loaded: {name} (secretstores.local.file/v1)")).await;
    }
    assert!(!replug.log().contains("isn't loaded"), "{}", replug.log());
    replug.stop(&home).await;
}

/// Whatever is made first: a built-in store that is read from a disk takes its time.
#[tokio::test]
async fn a_component_waits_for_the_secret_store_that_is_made_beside_it() {
    let home = home("", &[]);
    let pipe = home.path("secrets.json");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
    let file = pipe.display();
    let keeper = format!(
        "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {{name: keeper}}\n\
         spec:\n  type: secretstores.local.file\n  version: v1\n  \
         metadata: [{{name: secretsFile, value: {file}}}]\n"
    );
    let secret = "{name: unused, secretKeyRef: {name: word, key: word}}";
    let needing = format!("{IN_MEMORY}  metadata: [{secret}]\nauth: {{secretStore: keeper}}\n");
    write(&home, "a.yaml", &keeper);
    write(&home, "b.yaml", &needing);
    let ports = Ports::free();
    let replug = spawn(&home, &ports, &[]);
    replug.line("waits for the secret store `keeper`").await;
    // Opening it waits for the reader.
    let told = tokio::task::spawn_blocking(move || std::fs::write(pipe, r#"{"word": "x"}"#));
    told.await.unwrap().unwrap();
    replug.line("Component loaded: keeper (secretstores.local.file/v1)").await;
    replug.line("Component loaded: orders (state.in-memory/v1)").await;
    assert_eq!(get(ports.http, "/v1.0/state/orders/1").await.0, 204);
    replug.stop(&home).await;
}
