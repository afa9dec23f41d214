//! Bindings: invoked by an application, and read for one, while their plugins are killed.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use replug_proto::dapr::runtime::v1 as pb;
use replug_proto::dapr::runtime::v1::app_callback_server::AppCallback;
use replug_proto::dapr::runtime::v1::dapr_client::DaprClient;
use tokio::sync::mpsc;
use tonic::transport::Endpoint;
use tonic::{Code, Response, Status};

use crate::rig::{
    Called, Home, PATIENCE, Replug, go_echo, http, mailbox, require_tool, serve_callbacks, text,
};

/// Has a binding do something, over HTTP.
async fn invoke(address: SocketAddr, binding: &str, body: &str) -> (u16, String) {
    let path = format!("/v1.0/bindings/{binding}");
    let answer = http::request(address, "POST", &path, body).await;
    (answer.status.as_u16(), answer.body)
}

#[tokio::test]
async fn a_built_in_output_in_a_process_of_its_own_is_invoked_and_comes_back_after_a_kill() {
    let home = Home::empty();
    home.write_plan(&format!(
        "[plugins.files]\n\
         builtin = \"bindings.localstorage\"\n\
         [components.files]\n\
         type = \"bindings.localstorage\"\n\
         metadata = {{ rootPath = {:?} }}\n",
        text(&home.path("stored"))
    ));
    let mut replug = Replug::start(&home).await;
    let status = replug.until_usable("files").await;
    assert_eq!(status.component("files").unwrap().capabilities, ["OUTPUT_BINDING"]);
    let address = status.address("http");
    let create = r#"{"operation":"create","data":"hello","metadata":{"fileName":"a.txt"}}"#;
    let made = (200, r#"{"fileName":"a.txt"}"#.to_owned());
    assert_eq!(invoke(address, "files", create).await, made);

    replug.kill_plugin("files").await;
    let get = r#"{"operation":"get","metadata":{"fileName":"a.txt"}}"#;
    assert_eq!(invoke(address, "files", get).await, (200, "hello".to_owned()));

    let error = |message: &str| {
        let body = format!(
            r#"{{"errorCode":"ERR_INVOKE_OUTPUT_BINDING","message":"error invoking output binding {message}"}}"#
        );
        (500, body)
    };
    assert_eq!(
        invoke(address, "files", r#"{"operation":"list files"}"#).await,
        error(
            "files: binding files does not support operation list files. supported operations:create get list delete"
        )
    );
    assert_eq!(
        invoke(address, "files", "{}").await,
        error("files: operation field is missing from request")
    );
    assert_eq!(
        invoke(address, "nobody", create).await,
        error("nobody: couldn't find output binding nobody")
    );
    let (code, body) = invoke(address, "files", "").await;
    assert_eq!(code, 400);
    assert!(body.contains("failed deserializing HTTP body: EOF"), "{body}");

    // The plugin's own words.
    let get = r#"{"operation":"get","metadata":{"fileName":"gone"}}"#;
    let (code, body) = invoke(address, "files", get).await;
    assert_eq!(code, 500);
    assert!(body.contains("rpc error: code = Internal desc = file not found: "), "{body}");
    replug.stop(&home).await;
}

#[tokio::test]
async fn no_letter_is_lost_while_the_plugin_that_hands_them_out_is_killed() {
    let mut called = Called::start(&["/letters"], |_| (200, "thanks".to_owned())).await;
    let home = Home::empty();
    home.write_plan(&format!(
        "[app]\n\
         port = {}\n\
         [plugins.mailbox]\n\
         command = [{:?}]\n\
         [components.inbox]\n\
         type = \"bindings.mailbox\"\n\
         metadata = {{ folder = {:?}, route = \"letters\" }}\n\
         replay = \"all\"\n",
        called.port,
        mailbox(),
        text(&home.path("letters")),
    ));
    let mut replug = Replug::start(&home).await;
    let status = replug.until_usable("inbox").await;
    assert_eq!(
        status.component("inbox").unwrap().capabilities,
        ["INPUT_BINDING", "OUTPUT_BINDING"]
    );
    let address = status.address("http");
    let put = async |letter: &str| {
        let body = format!(r#"{{"operation":"create","data":{letter:?}}}"#);
        let (code, body) = invoke(address, "inbox", &body).await;
        assert_eq!(code, 200, "{body}");
    };
    put("first").await;
    let first = called.post().await;
    assert_eq!((first.path.as_str(), first.body.as_str()), ("/letters", "\"first\""));
    assert_eq!(first.headers["content-type"], "application/json");
    assert!(first.headers.contains_key("letter"), "{first:?}");

    let letters: BTreeSet<_> = (0..20).map(|number| format!("letter {number}")).collect();
    for (number, letter) in letters.iter().enumerate() {
        if number % 7 == 3 {
            replug.kill_at_once("mailbox").await;
        }
        put(letter).await;
    }
    let mut seen = BTreeSet::new();
    while seen.len() < letters.len() {
        let body = called.post().await.body;
        // What was answered just before a kill may come twice.
        if body != "\"first\"" {
            seen.insert(body.trim_matches('"').to_owned());
        }
    }
    assert_eq!(seen, letters);
    replug.stop(&home).await;
}

#[tokio::test]
async fn an_event_that_the_application_refuses_comes_again() {
    let tries = Arc::new(AtomicUsize::new(0));
    let mut called = Called::start(&["/inbox"], move |_| {
        if tries.fetch_add(1, Ordering::Relaxed) == 0 {
            (500, "not now".to_owned())
        } else {
            (200, String::new())
        }
    })
    .await;
    let home = Home::empty();
    home.write_plan(&format!(
        "[app]\n\
         port = {}\n\
         [plugins.mailbox]\n\
         command = [{:?}]\n\
         [components.inbox]\n\
         type = \"bindings.mailbox\"\n\
         metadata = {{ folder = {:?} }}\n",
        called.port,
        mailbox(),
        text(&home.path("letters")),
    ));
    let mut replug = Replug::start(&home).await;
    let address = replug.until_usable("inbox").await.address("http");
    let (code, _) = invoke(address, "inbox", r#"{"operation":"create","data":"x"}"#).await;
    assert_eq!(code, 200);
    for _ in 0..2 {
        assert_eq!(called.post().await.body, "\"x\"");
    }
    // The plugin is told why, and prints it.
    let told = "fails to send binding event to http app channel, status code: 500 body: not now";
    replug.line(told).await;
    replug.stop(&home).await;
}

#[tokio::test]
async fn a_clock_in_a_process_of_its_own_goes_on_after_a_kill() {
    let mut called = Called::start(&[], |_| (200, String::new())).await;
    let home = Home::new(&format!(
        "[app]\n\
         port = {}\n\
         [plugins.clock]\n\
         builtin = \"bindings.cron\"\n\
         [components.tick]\n\
         type = \"bindings.cron\"\n\
         metadata = {{ schedule = \"@every 1s\", direction = \"input\" }}\n",
        called.port
    ));
    let mut replug = Replug::start(&home).await;
    replug.until_usable("tick").await;
    let tick = called.post().await;
    assert_eq!((tick.path.as_str(), tick.body.as_str()), ("/tick", ""));
    assert!(tick.headers["readtimeutc"].to_str().unwrap().ends_with("+0000 UTC"), "{tick:?}");
    replug.kill_plugin("clock").await;
    // One may have been on its way at the kill.
    called.post().await;
    called.post().await;
    replug.stop(&home).await;
}

#[tokio::test]
async fn a_binding_that_the_application_does_not_want_is_not_read() {
    let mut called = Called::start(&["/wanted"], |_| (200, String::new())).await;
    let home = Home::new(&format!(
        "[app]\n\
         port = {}\n\
         [components.unwanted]\n\
         type = \"bindings.cron\"\n\
         metadata = {{ schedule = \"@every 1s\" }}\n\
         [components.clock]\n\
         type = \"bindings.cron\"\n\
         metadata = {{ schedule = \"@every 1s\", route = \"/wanted\" }}\n",
        called.port
    ));
    let replug = Replug::start(&home).await;
    replug.line("app has not subscribed to binding unwanted.").await;
    for _ in 0..2 {
        assert_eq!(called.post().await.path, "/wanted");
    }
    replug.stop(&home).await;
}

#[tokio::test]
async fn a_binding_on_the_go_sdk_has_both_its_sides_and_comes_back_after_a_kill() {
    if !require_tool("go", &["version"]) {
        return;
    }
    let mut called = Called::start(&["/echoes"], |received| {
        (200, format!("said to {}", received.body.trim_matches('"')))
    })
    .await;
    let home = Home::new(&format!(
        "[app]\n\
         port = {}\n\
         [plugins.go]\n\
         command = [{:?}]\n\
         [components.echoes]\n\
         type = \"bindings.go-echo\"\n",
        called.port,
        go_echo(),
    ));
    let mut replug = Replug::start(&home).await;
    let status = replug.until_usable("echoes").await;
    let sides = &status.component("echoes").unwrap().capabilities;
    assert_eq!(*sides, ["INPUT_BINDING", "OUTPUT_BINDING"]);
    assert_eq!(status.plugin("go").unwrap().serves, ["bindings.go-echo"]);
    let address = status.address("http");
    for life in 0..2 {
        for number in 0..2 {
            let echo = format!(r#"{{"operation":"echo","data":"{life}.{number}"}}"#);
            assert_eq!(invoke(address, "echoes", &echo).await, (200, String::new()));
            assert_eq!(called.post().await.body, format!("\"{life}.{number}\""));
        }
        // It tells of its second event when it has the answer to its first.
        let said = invoke(address, "echoes", r#"{"operation":"last"}"#).await;
        let wanted = [format!("said to {life}.0"), format!("said to {life}.1")];
        assert!(said.0 == 200 && wanted.contains(&said.1), "{said:?}");
        if life == 0 {
            replug.kill_plugin("go").await;
        }
    }
    replug.stop(&home).await;
}

/// An application over gRPC that wants letters.
struct Wants(mpsc::UnboundedSender<pb::BindingEventRequest>);

#[tonic::async_trait]
impl AppCallback for Wants {
    async fn list_input_bindings(
        &self,
        request: tonic::Request<()>,
    ) -> Result<Response<pb::ListInputBindingsResponse>, Status> {
        assert!(request.metadata().contains_key("grpc-timeout"));
        let bindings = ["inbox", "copies"].map(str::to_owned).into();
        Ok(Response::new(pb::ListInputBindingsResponse { bindings }))
    }

    /// What it says to a letter goes to another binding.
    async fn on_binding_event(
        &self,
        request: tonic::Request<pb::BindingEventRequest>,
    ) -> Result<Response<pb::BindingEventResponse>, Status> {
        let parent = format!("00-{}-{}-00", "0".repeat(32), "0".repeat(16));
        assert_eq!(request.metadata().get("traceparent").unwrap(), parent.as_str());
        let trace = request.metadata().get_bin("grpc-trace-bin").unwrap().to_bytes().unwrap();
        assert_eq!(trace.len(), 29);
        let event = request.into_inner();
        let to = (event.name == "inbox").then(|| "copies".to_owned()).into_iter().collect();
        self.0.send(event).unwrap();
        let data = br#""copied""#.as_slice().into();
        Ok(Response::new(pb::BindingEventResponse { data, to, ..Default::default() }))
    }
}

#[tokio::test]
async fn events_go_to_an_application_over_grpc_and_its_answers_to_other_bindings() {
    let (sender, mut events) = mpsc::unbounded_channel();
    let (port, _serving) = serve_callbacks(Wants(sender)).await;
    let home = Home::empty();
    home.write_plan(&format!(
        "[app]\n\
         port = {port}\n\
         protocol = \"grpc\"\n\
         [plugins.mailbox]\n\
         command = [{:?}]\n\
         [components.inbox]\n\
         type = \"bindings.mailbox\"\n\
         metadata = {{ folder = {:?} }}\n\
         [components.copies]\n\
         type = \"bindings.mailbox\"\n\
         metadata = {{ folder = {:?} }}\n",
        mailbox(),
        text(&home.path("letters")),
        text(&home.path("copies")),
    ));
    let mut replug = Replug::start(&home).await;
    replug.until_usable("copies").await;
    let status = replug.until_usable("inbox").await;
    let channel = Endpoint::from_shared(format!("http://{}", status.address("grpc"))).unwrap();
    let mut dapr = DaprClient::new(channel.connect_lazy());
    let mut call = async |name: &str, operation: &str| {
        let (name, operation) = (name.to_owned(), operation.to_owned());
        let data = b"hello".as_slice().into();
        let metadata = HashMap::new();
        dapr.invoke_binding(pb::InvokeBindingRequest { name, data, metadata, operation }).await
    };
    let answer = call("inbox", "create").await.unwrap();
    assert!(answer.metadata().contains_key("metadata.letter"), "{answer:?}");
    let event = tokio::time::timeout(PATIENCE, events.recv()).await.unwrap().unwrap();
    assert_eq!((event.name.as_str(), &event.data[..]), ("inbox", b"hello".as_slice()));
    let event = tokio::time::timeout(PATIENCE, events.recv()).await.unwrap().unwrap();
    assert_eq!((event.name.as_str(), &event.data[..]), ("copies", br#""copied""#.as_slice()));

    let error = call("inbox", "destroy").await.unwrap_err();
    assert_eq!(error.code(), Code::Internal);
    let told = "error invoking output binding inbox: binding inbox does not support operation destroy. supported operations:create";
    assert_eq!(error.message(), told);
    let details = tonic_types::StatusExt::get_error_details(&error);
    assert_eq!(details.error_info().unwrap().reason, "ERR_INVOKE_OUTPUT_BINDING");
    replug.stop(&home).await;
}
