//! Layotto's greeting, as a runtime meets it.

mod support;

use std::sync::Arc;

use replug_proto::layotto::pluggable::v1::hello as pb;
use replug_proto::layotto::pluggable::v1::hello::hello_client::HelloClient;
use replug_sdk::Plugin;
use replug_sdk::component::hello::HelloType;
use support::{GreeterType, Serving, to};
use tonic::Code;

fn config(greeting: &str) -> pb::HelloConfig {
    pb::HelloConfig { hello_string: greeting.into(), ..Default::default() }
}

fn request() -> pb::HelloRequest {
    pb::HelloRequest { name: "Ada".into() }
}

#[tokio::test]
async fn a_greeting_is_configured_by_init_for_each_instance() {
    let shared: Arc<dyn HelloType> = Arc::new(GreeterType);
    let serving = Serving::start(Plugin::named("greeter").hello(shared));
    let mut hello = HelloClient::new(serving.channel().await);
    let early = hello.say_hello(request()).await.unwrap_err();
    assert_eq!(early.code(), Code::FailedPrecondition);

    hello.init(config("Hello")).await.unwrap();
    hello.init(to("german", config("Guten Tag"))).await.unwrap();
    let nameless = hello.say_hello(request()).await.unwrap().into_inner();
    assert_eq!(nameless.hello_string, "Hello, Ada");
    let german = hello.say_hello(to("german", request())).await.unwrap().into_inner();
    assert_eq!(german.hello_string, "Guten Tag, Ada");
}
