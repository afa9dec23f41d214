//! Applications that are called over gRPC.

use super::*;

/// An application over gRPC.
#[derive(Clone, Default)]
struct Callee {
    unwell: Arc<AtomicBool>,
}

fn token<T>(request: &tonic::Request<T>) -> String {
    let token = request.metadata().get("dapr-api-token");
    token.map_or("no token", |token| token.to_str().unwrap()).to_owned()
}

#[tonic::async_trait]
impl AppCallback for Callee {
    async fn on_topic_event(
        &self,
        request: tonic::Request<pb::TopicEventRequest>,
    ) -> Result<tonic::Response<pb::TopicEventResponse>, Status> {
        assert_eq!(request.metadata().get("pubsubname").unwrap(), "bus");
        Err(Status::aborted(format!("{} {}", token(&request), request.get_ref().topic)))
    }

    async fn on_binding_event(
        &self,
        request: tonic::Request<pb::BindingEventRequest>,
    ) -> Result<tonic::Response<pb::BindingEventResponse>, Status> {
        let data = format!("{} {}", token(&request), request.get_ref().name).into();
        Ok(tonic::Response::new(pb::BindingEventResponse { data, ..Default::default() }))
    }

    async fn list_input_bindings(
        &self,
        request: tonic::Request<()>,
    ) -> Result<tonic::Response<pb::ListInputBindingsResponse>, Status> {
        let bindings = vec![token(&request)];
        Ok(tonic::Response::new(pb::ListInputBindingsResponse { bindings }))
    }
}

#[tonic::async_trait]
impl AppCallbackAlpha for Callee {
    async fn on_bulk_topic_event_alpha1(
        &self,
        request: tonic::Request<pb::TopicEventBulkRequest>,
    ) -> Result<tonic::Response<pb::TopicEventBulkResponse>, Status> {
        let entry_id = format!("{} {}", token(&request), request.get_ref().id);
        let status = pb::TopicEventBulkResponseEntry { entry_id, ..Default::default() };
        Ok(tonic::Response::new(pb::TopicEventBulkResponse { statuses: vec![status] }))
    }
}

#[tonic::async_trait]
impl AppCallbackHealthCheck for Callee {
    async fn health_check(
        &self,
        _: tonic::Request<()>,
    ) -> Result<tonic::Response<pb::HealthCheckResponse>, Status> {
        if self.unwell.load(Ordering::Relaxed) {
            return Err(Status::unavailable("not well"));
        }
        Ok(tonic::Response::new(pb::HealthCheckResponse {}))
    }
}

/// Serves the callee, with or without TLS; ended when dropped.
async fn serve(callee: Callee, tls: bool) -> (std::net::SocketAddr, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tonic::transport::Server::builder()
        .add_service(AppCallbackServer::new(callee.clone()))
        .add_service(AppCallbackAlphaServer::new(callee.clone()))
        .add_service(AppCallbackHealthCheckServer::new(callee));
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
        server.serve_with_incoming(incoming).await.unwrap();
    });
    if !tls {
        return (address, serving);
    }
    // What takes TLS stands before it.
    let outer = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let outside = outer.local_addr().unwrap();
    let acceptor = acceptor(b"h2");
    serving.spawn(async move {
        loop {
            let (stream, _) = outer.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let mut outside = acceptor.accept(stream).await.unwrap();
                let mut inside = TcpStream::connect(address).await.unwrap();
                // It ends as its client likes.
                let _ = tokio::io::copy_bidirectional(&mut outside, &mut inside).await;
            });
        }
    });
    (outside, serving)
}

#[tokio::test]
async fn the_calls_of_app_callback_reach_an_application_over_grpc() {
    for (protocol, tls) in [(Protocol::Grpc, false), (Protocol::Grpcs, true)] {
        let (address, _serving) = serve(Callee::default(), tls).await;
        let application = application(AppSettings {
            token: AppToken::new("secret").unwrap(),
            ..settings(address, protocol)
        });
        let callbacks = grpc(&application);
        let event = pb::TopicEventRequest { topic: "orders".to_owned(), ..Default::default() };
        let mut request = tonic::Request::new(event);
        request.metadata_mut().insert("pubsubname", "bus".parse().unwrap());
        let status = callbacks.on_topic_event(request).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (tonic::Code::Aborted, "secret orders"));

        let event = pb::BindingEventRequest { name: "timer".to_owned(), ..Default::default() };
        let answer = callbacks.on_binding_event(tonic::Request::new(event)).await.unwrap();
        assert_eq!(answer.data, "secret timer");

        // It knows the alpha version alone.
        let events = pb::TopicEventBulkRequest { id: "7".to_owned(), ..Default::default() };
        let answer = callbacks.on_bulk_topic_event(tonic::Request::new(events)).await.unwrap();
        assert_eq!(answer.statuses[0].entry_id, "secret 7");

        // It is shown no token where it is asked for what it wants.
        assert_eq!(callbacks.list_input_bindings(PATIENCE).await.unwrap().bindings, ["no token"]);
        let status = callbacks.list_topic_subscriptions().await.unwrap_err();
        assert_eq!(status.code(), tonic::Code::Unimplemented);
    }
}

#[tokio::test]
async fn an_application_over_grpc_is_asked_for_its_health() {
    let callee = Callee::default();
    let (address, _serving) = serve(callee.clone(), false).await;
    let check = HealthCheck {
        interval: Duration::from_millis(5),
        timeout: Duration::from_secs(5),
        threshold: 1,
        ..HealthCheck::default()
    };
    let application =
        application(AppSettings { health: Some(check), ..settings(address, Protocol::Grpc) });
    let _attending = attended(&application);
    until(&application, AppState::Healthy).await;
    callee.unwell.store(true, Ordering::Relaxed);
    until(&application, AppState::Unhealthy).await;
    callee.unwell.store(false, Ordering::Relaxed);
    until(&application, AppState::Healthy).await;
}
