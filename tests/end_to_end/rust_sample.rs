//! The sample plugin in Rust: one process for Layotto's greeting and for a state store of Dapr's.

use replug_proto::layotto::runtime::v1::SayHelloRequest;
use replug_proto::layotto::runtime::v1::runtime_client::RuntimeClient;
use tonic::Request;
use tonic::transport::{Channel, Endpoint};

use crate::rig::{Application, Home, PATIENCE, Replug, notebook};

#[tokio::test]
async fn a_killed_plugin_of_two_blocks_greets_and_remembers_as_before() {
    let home = Home::new(&format!(
        "[plugins.notebook]\n\
         command = [{:?}]\n\
         [components.orders]\n\
         type = \"state.notebook\"\n\
         metadata = {{ path = \"orders.journal\" }}\n\
         [components.greeting]\n\
         type = \"hello.notebook\"\n\
         metadata = {{ hello = \"Good morning\" }}\n",
        notebook()
    ));
    let mut replug = Replug::start(&home).await;
    replug.until_usable("orders").await;
    let status = replug.until_usable("greeting").await;
    for component in ["orders", "greeting"] {
        let served_by = status.component(component).unwrap().served_by.as_deref();
        assert_eq!(served_by, Some("notebook"), "{component}");
    }

    let application = Application::new(&status, "orders");
    application.save("1", "tea").await.unwrap();
    let grpc = Endpoint::from_shared(format!("http://{}", status.address("grpc"))).unwrap();
    let layotto = RuntimeClient::new(grpc.connect_lazy());
    assert_eq!(greeting(&layotto).await, "Good morning, Ada");

    replug.kill_plugin("notebook").await;
    // The new process has not been told its greeting by anybody but replug.
    assert_eq!(greeting(&layotto).await, "Good morning, Ada");
    assert_eq!(application.get("1").await.unwrap(), "tea");

    let status = replug.status().await;
    let plugin = status.plugin("notebook").unwrap();
    assert_eq!((plugin.state.as_str(), plugin.generation, plugin.restarts), ("ready", 2, 1));
    assert!(plugin.end().contains("SIGKILL"), "{}", plugin.end());
    let mut serves = plugin.serves.clone();
    serves.sort();
    assert_eq!(serves, ["hello.notebook", "state.notebook"]);
    for component in ["orders", "greeting"] {
        assert!(status.component_is(component, "ready"), "{component}: {status:#?}");
    }
    replug.stop(&home).await;
}

/// What the component says to Ada, by Layotto's API.
async fn greeting(layotto: &RuntimeClient<Channel>) -> String {
    let mut request = Request::new(SayHelloRequest {
        service_name: "greeting".into(),
        name: "Ada".into(),
        data: None,
    });
    request.set_timeout(PATIENCE);
    layotto.clone().say_hello(request).await.unwrap().into_inner().hello
}
