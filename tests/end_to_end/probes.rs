//! Probes beside the link: by a command, by a connection, by a web server.

use std::time::Duration;

use rustix::process::Signal;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::rig::{Application, Home, Replug, misbehave, text};

fn plan(probe: &str) -> String {
    format!(
        "[plugins.store]\n\
         command = [{:?}, \"well\"]\n\
         backoff = {{ initial = \"1ms\", max = \"1s\" }}\n\
         health = {{ interval = \"50ms\", timeout = \"5s\", failures = 2, {probe} }}\n\
         [components.kv]\n\
         type = \"state.misbehave\"\n\
         hold = \"30s\"\n",
        misbehave()
    )
}

#[tokio::test]
async fn a_plugin_whose_command_says_that_it_is_ill_is_killed_and_replaced() {
    let home = Home::empty();
    let ill = home.path("ill");
    let script = format!("! test -e {ill:?} || {{ echo checking; echo out of ink >&2; exit 9; }}");
    home.write_plan(&plan(&format!("exec = [\"sh\", \"-c\", {script:?}]")));
    let mut replug = Replug::start(&home).await;
    replug.until_usable("kv").await;
    let process = replug.process_of("store").await;

    std::fs::write(&ill, "").unwrap();
    process.gone().await;
    std::fs::remove_file(&ill).unwrap();
    replug.line("is unhealthy: its probe failed 2 times in a row: exit status 9: out of ink").await;
    let status = replug.until_usable("kv").await;
    let store = status.plugin("store").unwrap();
    assert!(store.generation > 1 && store.end().contains("SIGKILL"), "{store:?}");
    replug.stop(&home).await;
}

#[tokio::test]
async fn a_command_that_does_not_end_in_time_is_killed_with_its_children() {
    let home = Home::empty();
    let asked = home.path("asked");
    let script = format!("sleep 600 & : > {asked:?}; wait");
    let probe = format!(
        "exec = [\"sh\", \"-c\", {script:?}], on_unhealthy = \"report\", start_period = \"0s\""
    );
    home.write_plan(&plan(&probe).replace("timeout = \"5s\"", "timeout = \"300ms\""));
    let mut replug = Replug::start(&home).await;
    let status = replug
        .until("it is shown", |status| status.plugin("store").unwrap().health_by("probe") == "hung")
        .await;
    let store = status.plugin("store").unwrap();
    let reason = "is unhealthy: its probe failed 2 times in a row: no answer within 300ms";
    assert_eq!((store.generation, store.why()), (1, reason));
    assert!(asked.exists());
    // Its children are asserted to be gone with it.
    replug.stop(&home).await;
}

#[tokio::test]
async fn a_plugin_whose_web_server_is_ill_is_shown_until_it_is_well_again() {
    let (says, status_line) = watch::channel("200 OK");
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        loop {
            let (mut connection, _) = server.accept().await.unwrap();
            let mut request = [0; 1024];
            let length = connection.read(&mut request).await.unwrap();
            let request = String::from_utf8_lossy(&request[..length]).into_owned();
            assert!(request.starts_with("GET /healthz?deep=1 HTTP/1.1\r\n"), "{request}");
            assert!(request.contains(&format!("host: {address}\r\n")), "{request}");
            let line = *status_line.borrow();
            let answer = format!("HTTP/1.1 {line}\r\ncontent-length: 0\r\n\r\n");
            connection.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    let probe = format!("http = \"http://{address}/healthz?deep=1\", on_unhealthy = \"report\"");
    let home = Home::new(&plan(&probe));
    let mut replug = Replug::start(&home).await;
    replug.until_usable("kv").await;

    says.send_replace("503 Service Unavailable");
    let ill = replug
        .until("it is shown", |status| status.plugin("store").unwrap().health_by("probe") == "hung")
        .await;
    let store = ill.plugin("store").unwrap();
    assert_eq!(store.health.iter().map(|health| health.failures).max(), Some(2));
    assert!(store.why().ends_with("answers 503 Service Unavailable"), "{}", store.why());

    says.send_replace("302 Found");
    let well =
        replug.until("it is well", |status| status.plugin("store").unwrap().why().is_empty()).await;
    let store = well.plugin("store").unwrap();
    assert_eq!((store.generation, store.health_by("probe")), (1, "well"));
    replug.stop(&home).await;
    serving.abort();
    assert!(serving.await.unwrap_err().is_cancelled());
}

#[tokio::test]
async fn a_plugin_is_not_ready_before_its_probe_has_passed_where_the_plan_says_so() {
    let home = Home::empty();
    let socket = home.path("db.sock");
    let probe = format!("tcp = \"unix:{}\", ready = true", text(&socket));
    home.write_plan(&plan(&probe));
    let mut replug = Replug::start(&home).await;
    let status = replug
        .until("it is shown", |status| status.plugin("store").unwrap().why().contains("cannot"))
        .await;
    assert!(status.plugin_is("store", "starting"), "{status:?}");
    assert!(status.plugin("store").unwrap().why().starts_with("its probe fails: cannot connect"));

    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let status = replug.until_usable("kv").await;
    Application::new(&status, "kv").assert_works().await;
    replug.stop(&home).await;
    drop(listener);
}

#[tokio::test]
async fn a_plugin_is_not_to_blame_for_the_time_in_which_replug_itself_was_stopped() {
    let home = Home::new(
        &plan("exec = [\"true\"]")
            .replace("timeout = \"5s\"", "timeout = \"200ms\"")
            .replace("failures = 2", "failures = 1"),
    );
    let mut replug = Replug::start(&home).await;
    let status = replug.until_usable("kv").await;
    let application = Application::new(&status, "kv");
    for _ in 0..10 {
        replug.signal(Signal::STOP);
        // Time is what this is about: longer than any timeout above.
        tokio::time::sleep(Duration::from_millis(400)).await;
        replug.signal(Signal::CONT);
        application.assert_works().await;
    }
    let status = replug.status().await;
    let store = status.plugin("store").unwrap();
    assert_eq!((store.generation, store.why()), (1, ""));
    replug.stop(&home).await;
}
