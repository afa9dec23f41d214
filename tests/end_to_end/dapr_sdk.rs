//! Dapr's public SDKs, as they come, while plugins are killed between their calls and during them.

mod bindings;
mod messages;
mod secrets;
mod session;
mod state;

use crate::rig::{Home, Ports, Sdk};
use crate::servers::redis::Redis;

/// Kills that follow each other closely make the delay grow, which is not what is tested here.
const AT_ONCE: &str = "backoff = { max = \"100ms\" }\n";

#[tokio::test]
async fn the_python_sdk_sees_no_kill() {
    use_every_block(Sdk::Python).await;
}

#[tokio::test]
async fn the_python_sdk_for_fastapi_sees_no_kill() {
    use_every_block(Sdk::PythonFastApi).await;
}

#[tokio::test]
async fn the_node_sdk_sees_no_kill_over_grpc() {
    use_every_block(Sdk::NodeGrpc).await;
}

#[tokio::test]
async fn the_node_sdk_sees_no_kill_over_http() {
    use_every_block(Sdk::NodeHttp).await;
}

#[tokio::test]
async fn the_java_sdk_sees_no_kill() {
    use_every_block(Sdk::Java).await;
}

#[tokio::test]
async fn the_go_sdk_sees_no_kill() {
    use_every_block(Sdk::Go).await;
}

#[tokio::test]
async fn the_rust_sdk_sees_no_kill() {
    use_every_block(Sdk::Rust).await;
}

/// One application uses one block after the other, each over a plugin that is killed meanwhile.
async fn use_every_block(sdk: Sdk) {
    if !sdk.is_here() {
        return;
    }
    let Some(redis) = Redis::start(&[]) else { return };
    let home = Home::empty();
    let port = bindings::receives(sdk).then(|| Ports::free().app.port());
    home.write_plan(
        &[
            bindings::plan(&home, sdk, port),
            messages::plan(&redis),
            state::built_in_plan(),
            secrets::plan(&home),
        ]
        .concat(),
    );
    let components = ["inbox", "bus", "orders", "vault"];
    let mut session = session::Session::start(sdk, home, &components, port).await;
    state::use_every_call_between_kills(&mut session, "settings").await;
    state::work_through_kills(&mut session, "settings").await;
    secrets::get_between_kills(&mut session, "vault").await;
    messages::publish_after_kills(&mut session, "bus").await;
    bindings::send_after_kills(&mut session, "mailbox").await;
    session.stop().await;
}
