//! When a plugin that ended is started again, when it is left, and what is told of it.

use crate::rig::{Home, Replug, misbehave};

#[tokio::test]
async fn an_end_that_the_plan_calls_a_success_leaves_the_plugin_stopped() {
    let home = Home::new(&format!(
        "[plugins.done]\n\
         command = [{:?}, \"exit-at-once\"]\n\
         restart = {{ policy = \"on-failure\", success = [3] }}\n",
        misbehave()
    ));
    let mut replug = Replug::start(&home).await;
    let status = replug
        .until("it has ended", |status| {
            status.plugin_is("done", "stopped") && status.plugin("done").unwrap().generation == 1
        })
        .await;
    let done = status.plugin("done").unwrap();
    assert_eq!((done.end(), done.why()), ("exit status 3", ""));
    replug.stop(&home).await;
}

#[tokio::test]
async fn a_plugin_that_ended_in_a_way_that_prevents_it_has_failed_and_is_not_started_again() {
    let home = Home::new(&format!(
        "[plugins.misconfigured]\n\
         command = [{:?}, \"exit-at-once\"]\n\
         restart = {{ policy = \"always\", prevent = [3] }}\n",
        misbehave()
    ));
    let mut replug = Replug::start(&home).await;
    let failed = |status: &crate::rig::Status| status.plugin_is("misconfigured", "failed");
    let status = replug.until("it has failed", failed).await;
    let plugin = status.plugin("misconfigured").unwrap();
    assert_eq!(plugin.generation, 1);
    assert_eq!(plugin.why(), "exit status 3, after which it is not restarted");

    let waited = replug.command(&["wait", "misconfigured", "--for", "ready"]).await;
    assert_eq!(waited.code, Some(1));
    assert!(waited.stderr.contains("has failed: exit status 3"), "{}", waited.stderr);
    let waited = replug.command(&["wait", "misconfigured", "--for", "stopped"]).await;
    assert_eq!(waited.code, Some(0), "{}", waited.stderr);

    let stopped = replug.command(&["stop", "misconfigured"]).await;
    assert_eq!(stopped.stdout, "misconfigured: stopped, generation 1\n");
    let status = replug.status().await;
    assert!(status.plugin_is("misconfigured", "stopped"));
    replug.stop(&home).await;
}

#[tokio::test]
async fn a_crash_loop_is_told_with_its_last_reason_and_the_last_lines() {
    let home = Home::new(&format!(
        "[plugins.broken]\n\
         command = [{:?}, \"exit-at-once\"]\n\
         backoff = {{ initial = \"1ms\", max = \"4ms\" }}\n",
        misbehave()
    ));
    let replug = Replug::start(&home).await;
    let line = replug.line("crash-looping, ").await;
    let told = "3 ends in a row; the last: exit status 3; \
                it printed last: misbehave: cannot go on";
    assert!(line.contains(told), "{line}");
    replug.stop(&home).await;
}

#[tokio::test]
async fn a_plugin_that_was_restarted_often_enough_is_left_until_somebody_starts_it() {
    let home = Home::new(&format!(
        "[defaults]\n\
         backoff = {{ initial = \"1ms\", max = \"2ms\" }}\n\
         max_restarts = {{ count = 3, within = \"5m\" }}\n\
         [plugins.broken]\n\
         command = [{:?}, \"exit-at-once\"]\n",
        misbehave()
    ));
    let mut replug = Replug::start(&home).await;
    let status =
        replug.until("it is given up", |status| status.plugin_is("broken", "failed")).await;
    let broken = status.plugin("broken").unwrap();
    assert_eq!(broken.generation, 4);
    assert!(broken.why().starts_with("given up after 3 restarts within 5m: "), "{}", broken.why());

    let started = replug.command(&["start", "broken"]).await;
    assert_eq!(started.code, Some(1));
    assert!(started.stderr.contains("is not ready: "), "{}", started.stderr);
    replug
        .until("it is given up again", |status| status.plugin("broken").unwrap().generation == 8)
        .await;
    replug.stop(&home).await;
}
