//! Files that change while it runs: they are read again, and those that break change nothing and are
//! told of once, with their place.

use super::*;

/// A store that needs a secret of another.
fn store(name: &str, needs: &str) -> String {
    format!(
        "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {{name: {name}}}\n\
         auth: {{secretStore: {needs}}}\nspec:\n  type: secretstores.local.file\n  version: v1\n  \
         metadata:\n  - {{name: secretsFile, secretKeyRef: {{name: path, key: k}}}}\n"
    )
}

#[tokio::test]
async fn a_file_that_breaks_while_it_runs_changes_nothing_and_is_told_once() {
    let more = IN_MEMORY.replace("orders", "more");
    let files = [("a.yaml", IN_MEMORY), ("b.yaml", &*more)];
    let (home, ports) = (home("", &files), Ports::free());
    let mut replug = start(&home, &ports, &[]).await;
    let circle = format!("{}---\n{}", store("one", "two"), store("two", "one"));
    for (at, (broken, told)) in [
        ("kind: [\n", "b.yaml:2:1: error: while parsing"),
        ("\n[a]: Component\n", "b.yaml:2:1: error: a field's name is a list or a table"),
        (
            "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {name: more}\nspec:\n  type: []\n",
            "b.yaml:5:1: error: `spec.type` is a list; write a text",
        ),
        (
            "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {name: more}\nspec: {type: nothing.at-all}\n",
            "b.yaml:1:1: error: process component more error: incorrect type nothing.at-all",
        ),
        (
            "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {name: a/b}\nspec: {type: state.in-memory}\n",
            "b.yaml:1:1: error: `metadata.name` is",
        ),
        (IN_MEMORY, "b.yaml:2:1: error: duplicate definition of Component name orders"),
        (circle.as_str(), "b.yaml:1:1: error: process component one error: it needs a secret of two"),
        (
            "apiVersion: dapr.io/v2alpha1\nkind: Subscription\nmetadata: {name: s}\nspec:\n  pubsubname: bus\n  \
             topic: t\n  routes: {rules: [{match: 'event ===', path: /a}]}\n",
            "b.yaml:1:1: error: subscription s: ",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        write(&home, "b.yaml", broken);
        replug.line(told).await;
        assert_eq!(get(ports.http, "/v1.0/state/more/1").await.0, 204, "{told}");
        // While it is broken, another file that changes is looked at, and is told of alone.
        let other = format!("apiVersion: dapr.io/v1alpha1\nkind: Nothing\nmetadata: {{name: n{at}}}\nspec: [\n");
        let beside = format!("c{at}.yaml");
        write(&home, &beside, &other);
        replug.line(&format!("{beside}:")).await;
        std::fs::remove_file(home.path("components").join(&beside)).unwrap();
        write(&home, "b.yaml", &more);
        // What is read after all of it: everything before has been told.
        let new = format!("new{at}");
        write(&home, "d.yaml", &IN_MEMORY.replace("orders", &new));
        replug.until_usable(&new).await;
        let log = replug.log();
        let times = log.lines().filter(|line| line.contains(told)).count();
        assert_eq!(times, 1, "{told}\n{log}");
    }
    assert_eq!(get(ports.http, "/v1.0/state/orders/1").await.0, 204);
    replug.stop(&home).await;
}

#[tokio::test]
async fn a_file_that_is_broken_from_the_start_keeps_no_other_back() {
    let (home, ports) =
        (home("", &[("a.yaml", "kind: [\n"), ("b.yaml", IN_MEMORY)]), Ports::free());
    let mut replug = start(&home, &ports, &[]).await;
    replug.line("daprd load Component error when parsing manifests yaml resource in").await;
    write(&home, "c.yaml", &IN_MEMORY.replace("orders", "more"));
    replug.until_usable("more").await;
    // It is told of anew where something else is wrong with it, and takes nothing with it.
    write(&home, "b.yaml", &format!("{IN_MEMORY}---\nkind: {{\n"));
    replug.line("b.yaml:11:1: error: ").await;
    write(&home, "a.yaml", &IN_MEMORY.replace("orders", "mended"));
    replug.until_usable("mended").await;
    assert_eq!(get(ports.http, "/v1.0/state/orders/1").await.0, 204);
    std::fs::remove_file(home.path("components/b.yaml")).unwrap();
    replug
        .until("orders is gone", |status| status.components.iter().all(|it| it.name != "orders"))
        .await;
    replug.stop(&home).await;
}

#[tokio::test]
async fn what_a_reload_makes_of_components_is_told_and_counted_as_by_daprd() {
    let (home, ports) = (home("", &[("a.yaml", IN_MEMORY)]), Ports::free());
    let mut replug = start(&home, &ports, &[]).await;
    let broken = IN_MEMORY.replace("in-memory", "sqlite");
    write(&home, "a.yaml", &broken);
    replug.line("Closing existing Component to reload: orders (state.in-memory/v1)").await;
    replug.line("Adding Component for processing: orders (state.sqlite/v1)").await;
    let init =
        "[INIT_COMPONENT_FAILURE]: initialization error occurred for orders (state.sqlite/v1): ";
    replug.line(&format!("Failed to init component orders (state.sqlite/v1): {init}")).await;
    let ignored = "Ignoring error processing component: process component orders error: ";
    replug.line(&format!("{ignored}{init}{init}")).await;
    let (_, metadata) = get(ports.http, "/v1.0/metadata").await;
    assert!(metadata["components"].is_null(), "{metadata}");
    write(
        &home,
        "a.yaml",
        &(broken + "  metadata: [{name: connectionString, value: ':memory:'}]\n"),
    );
    replug.line("Component loaded: orders (state.sqlite/v1)").await;
    replug.until_usable("orders").await;
    let text = crate::rig::http::request(ports.metrics, "GET", "/metrics", "").await.body;
    for told in [
        "dapr_runtime_component_loaded{app_id=\"shop\"} 2",
        "dapr_runtime_component_init_total{app_id=\"shop\",component=\"state.sqlite\"} 2",
        "componentName=\"orders\",reason=\"init\"} 1",
    ] {
        assert!(text.contains(told), "{told}\n{text}");
    }
    replug.stop(&home).await;
}

#[tokio::test]
async fn a_document_of_another_kind_or_version_is_none_and_what_it_was_goes() {
    let more = IN_MEMORY.replace("orders", "more");
    for other in
        [more.replace("kind: Component", "kind: Komponent"), more.replace("v1alpha1", "v9")]
    {
        let files = [("a.yaml", IN_MEMORY), ("b.yaml", &*more)];
        let (home, ports) = (home("", &files), Ports::free());
        let mut replug = start(&home, &ports, &[]).await;
        write(&home, "b.yaml", &other);
        replug.until("more is gone", |status| status.component("more").is_none()).await;
        assert_eq!(get(ports.http, "/v1.0/state/orders/1").await.0, 204);
        replug.stop(&home).await;
    }
}

/// A Configuration may turn the reading of changed files off.
#[tokio::test]
async fn without_hot_reload_a_changed_file_counts_when_that_is_asked_for() {
    let (home, ports) = (home("", &[("a.yaml", IN_MEMORY)]), Ports::free());
    let cold = home.path("cold.yaml");
    std::fs::write(
        &cold,
        "apiVersion: dapr.io/v1alpha1\nkind: Configuration\nmetadata: {name: cold}\n\
         spec: {features: [{name: HotReload, enabled: false}]}\n",
    )
    .unwrap();
    let config = format!("--config={}", cold.display());
    let mut replug = start(&home, &ports, &[&config]).await;
    write(&home, "b.yaml", &IN_MEMORY.replace("orders", "more"));
    let (_, metadata) = get(ports.http, "/v1.0/metadata").await;
    assert!(!metadata["enabledFeatures"].to_string().contains("HotReload"), "{metadata}");
    assert_eq!(get(ports.http, "/v1.0/state/more/1").await.0, 400);
    assert!(!replug.log().contains("Watching directories"), "{}", replug.log());
    replug.signal(Signal::HUP);
    replug.until_usable("more").await;
    replug.stop(&home).await;
}

#[tokio::test]
async fn resource_files_are_read_again_when_they_change() {
    let (home, ports) = (home("", &[("a.yaml", IN_MEMORY)]), Ports::free());
    let mut replug = start(&home, &ports, &[]).await;
    write(&home, "b.yaml", &IN_MEMORY.replace("orders", "more"));
    replug.until_usable("more").await;
    assert_eq!(get(ports.http, "/v1.0/state/more/1").await.0, 204);

    // What is wrong changes nothing, and the log says where it is.
    write(
        &home,
        "b.yaml",
        "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {name: more}\nscopes: 5\n",
    );
    replug.line("b.yaml:4:1: error: `scopes` is a number; write a list of texts").await;
    assert_eq!(get(ports.http, "/v1.0/state/more/1").await.0, 204);

    // What is for somebody else goes.
    write(
        &home,
        "b.yaml",
        &IN_MEMORY.replace("orders", "more").replace("spec:", "scopes: [else]\nspec:"),
    );
    replug.until("more is gone", |status| status.component("more").is_none()).await;
    std::fs::remove_file(home.path("components").join("a.yaml")).unwrap();
    replug.until("orders is gone", |status| status.component("orders").is_none()).await;
    replug.stop(&home).await;
}
