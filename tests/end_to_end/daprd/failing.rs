//! What ends the start, with which words, and what does not.

use super::*;

#[tokio::test]
async fn what_cannot_be_ends_with_daprds_words_and_codes() {
    const TWICE: &str = "fatal msg=\"Fatal error from runtime: failed to load components: duplicate \
                         definition of Component name orders (state.in-memory/v1) with existing \
                         orders (state.in-memory/v1)\"";
    let unknown =
        IN_MEMORY.replace("in-memory", "nowhere").replace("spec:", "spec:\n  initTimeout: 50ms");
    let version = IN_MEMORY.replace("v1\n", "v7\n");
    let block = IN_MEMORY.replace("state.in-memory", "middleware.http.oauth2");
    let no_time = IN_MEMORY.replace("spec:", "spec:\n  initTimeout: -1s");
    let broken_store = "
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: vault}
spec: {type: secretstores.local.file, version: v1, metadata: [{name: secretsFile, value: /nowhere.json}]}
";
    for (files, more, says) in [
        (&[("a.yaml", IN_MEMORY), ("b.yaml", IN_MEMORY)][..], &[][..], TWICE),
        (
            &[("a.yaml", &unknown)],
            &[],
            "Fatal error from runtime: process component orders error: [INIT_COMPONENT_FAILURE]: initialization error occurred for orders (state.nowhere/v1): [CREATE_COMPONENT_FAILURE]: initialization error occurred for orders (state.nowhere/v1): couldn't find state store state.nowhere/v1",
        ),
        (
            &[("a.yaml", &version)],
            &[],
            "[CREATE_COMPONENT_FAILURE]: initialization error occurred for orders (state.in-memory/v7): couldn't find state store state.in-memory/v7",
        ),
        (
            &[("a.yaml", &block)],
            &[],
            "Error processing component, daprd will exit gracefully: process component orders error: HTTP middleware middleware.http.oauth2/v1 has not been registered: replug does not have this building block",
        ),
        (
            &[("a.yaml", &no_time)],
            &[],
            "process component orders error: [INIT_COMPONENT_FAILURE]: initialization error occurred for orders (state.in-memory/v1): [INIT_COMPONENT_FAILURE]: initialization error occurred for orders (state.in-memory/v1): init timeout for component orders (state.in-memory/v1)",
        ),
        (
            &[("a.yaml", broken_store)],
            &[],
            "Failed to init component vault (secretstores.local.file/v1)",
        ),
        (
            &[],
            &["--config=/nowhere.yaml"],
            "Fatal error from runtime: error loading configuration: cannot read /nowhere.yaml",
        ),
        (
            &[],
            &["--resources-path=/nowhere"],
            "Fatal error from runtime: failed to load components: open /nowhere",
        ),
        (&[], &["--app-port=x"], "Failed to parse flags: error parsing app-port flag"),
        (&[], &["--log-level=loud"], "invalid value for --log-level: loud"),
    ] {
        let (home, ports) = (home("", files), Ports::free());
        let mut replug = spawn(&home, &ports, more);
        assert_eq!(replug.ended().await.code(), Some(1), "{says}");
        replug.line(says).await;
        replug.assert_nothing_left();
    }
    let home = home("", &[]);
    for (flag, code) in [("--nope", 2), ("--help", 0), ("--version", 0), ("--build-info", 0)] {
        let mut replug = Replug::spawn_daprd(&home, &[flag.to_owned()]);
        assert_eq!(replug.ended().await.code(), Some(code), "{flag}");
    }
}

/// A built-in that waits for a server which says nothing is late, and not unknown.
#[tokio::test]
async fn a_built_in_that_is_not_there_in_time_is_called_late() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = silent.local_addr().unwrap();
    let late =
        IN_MEMORY.replace("in-memory", "redis").replace("spec:", "spec:\n  initTimeout: 50ms");
    let late = format!("{late}  metadata: [{{name: redisHost, value: \"{host}\"}}]\n");
    let (home, ports) = (home("", &[("a.yaml", &late)]), Ports::free());
    let mut replug = spawn(&home, &ports, &[]);
    assert_eq!(replug.ended().await.code(), Some(1));
    replug
        .line("orders (state.redis/v1): [INIT_COMPONENT_FAILURE]: initialization error occurred for orders (state.redis/v1): init timeout for component orders (state.redis/v1)")
        .await;
}

#[tokio::test]
async fn files_that_are_left_out_are_told_by_their_names() {
    let (home, ports) = (home("", &[("a.yaml", IN_MEMORY), ("b.txt", "")]), Ports::free());
    std::os::unix::fs::symlink("/nowhere/a", home.path("components/c.yaml")).unwrap();
    let replug = start(&home, &ports, &[]).await;
    replug
        .line("msg=\"A non-YAML Component file b.txt was detected, it will not be loaded\"")
        .await;
    let at = home.path("components/c.yaml").display().to_string();
    replug.line(&format!("when opening file {at}: open {at}: no such file or directory")).await;
    replug.stop(&home).await;
}

/// Several that begin in the same moment find out who is first.
#[tokio::test]
async fn several_sidecars_of_one_application_start_at_once() {
    let home = home("", &[("a.yaml", IN_MEMORY)]);
    let folder = home.path("runtime").display().to_string();
    let begin = || {
        // Without a plan, which would say where what is its own is.
        let flags = flags(&home, &Ports::free(), &[]).into_iter();
        let flags: Vec<_> = flags.filter(|flag| !flag.starts_with("--plugins")).collect();
        Replug::spawn_daprd_with(&home, &flags, &[("RUNTIME_DIRECTORY", &folder)])
    };
    let replugs: Vec<_> = (0..4).map(|_| begin()).collect();
    for replug in replugs {
        replug.line("dapr initialized. Status: Running. Init Elapsed ").await;
        replug.stop(&home).await;
    }
}

#[tokio::test]
async fn a_component_that_may_fail_ends_nothing() {
    let may_fail = IN_MEMORY
        .replace("in-memory", "nowhere")
        .replace("orders", "other")
        .replace("spec:", "spec:\n  ignoreErrors: true\n  initTimeout: 50ms");
    let files = [("a.yaml", &*may_fail), ("b.yaml", IN_MEMORY)];
    let (home, ports) = (home("", &files), Ports::free());
    let replug = start(&home, &ports, &[]).await;
    replug.line("Ignoring error processing component: process component other error:").await;
    let (_, metadata) = get(ports.http, "/v1.0/metadata").await;
    assert_eq!(metadata["components"].as_array().unwrap().len(), 1);
    replug.stop(&home).await;
}
