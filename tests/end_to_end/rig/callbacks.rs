//! An application that is called over gRPC.

use replug_proto::dapr::runtime::v1::app_callback_server::{AppCallback, AppCallbackServer};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tonic::transport::Server;

/// Serves an application's callbacks on a port, for as long as the second value is held.
pub(crate) async fn serve_callbacks(application: impl AppCallback) -> (u16, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
        let server = Server::builder().add_service(AppCallbackServer::new(application));
        server.serve_with_incoming(incoming).await.unwrap();
    });
    (port, serving)
}
