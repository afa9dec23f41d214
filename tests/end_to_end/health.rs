//! A plugin that hangs: found, shown, and replaced where the plan asks for that.

use rustix::process::Signal;

use crate::rig::{Application, Home, Replug, misbehave};

fn plan(health: &str) -> String {
    format!(
        "[plugins.store]\n\
         command = [{:?}, \"well\"]\n\
         {health}\n\
         [components.kv]\n\
         type = \"state.misbehave\"\n\
         hold = \"30s\"\n",
        misbehave()
    )
}

#[tokio::test]
async fn a_hung_plugin_is_killed_and_replaced_and_its_reader_is_answered() {
    let home =
        Home::new(&plan("health = { interval = \"50ms\", timeout = \"200ms\", failures = 2 }"));
    let mut replug = Replug::start(&home).await;
    let status = replug.until_usable("kv").await;
    let application = Application::new(&status, "kv");
    application.assert_works().await;

    let process = replug.process_of("store").await;
    process.hang().await;
    // A read that is under way at the hung process is sent again to the next one.
    application.get("anything").await.unwrap();
    process.gone().await;

    let status = replug.until_ready("store").await;
    let store = status.plugin("store").unwrap();
    assert_eq!(store.generation, 2);
    assert!(store.end().contains("SIGKILL"), "{}", store.end());
    replug.line("does not answer within 200ms").await;
    replug.stop(&home).await;
}

#[tokio::test]
async fn a_hung_plugin_is_only_shown_where_the_plan_says_report() {
    let home = Home::new(&plan(
        "health = { interval = \"50ms\", timeout = \"200ms\", failures = 2, on_unhealthy = \"report\" }",
    ));
    let mut replug = Replug::start(&home).await;
    replug.until_usable("kv").await;
    let process = replug.process_of("store").await;

    process.hang().await;
    let hung = replug
        .until("it is shown", |status| status.plugin("store").unwrap().why().contains("hangs"))
        .await;
    assert_eq!(hung.plugin("store").unwrap().generation, 1);

    process.signal(Signal::CONT);
    let status =
        replug.until("it stirs", |status| status.plugin("store").unwrap().why().is_empty()).await;
    assert!(status.plugin_is("store", "ready"));
    replug.stop(&home).await;
}

#[tokio::test]
async fn an_application_can_count_on_the_next_generation_after_a_restart_of_a_hung_plugin() {
    let home = Home::new(&plan("stop_timeout = \"200ms\""));
    let mut replug = Replug::start(&home).await;
    let status = replug.until_usable("kv").await;
    let process = replug.process_of("store").await;
    process.hang().await;

    let restarted = replug.command(&["restart", "store"]).await;
    assert_eq!(restarted.code, Some(0), "{}", restarted.stderr);
    Application::new(&status, "kv").assert_works().await;
    replug.stop(&home).await;
}
