//! The application's channel: applications in this process that are called over HTTP and gRPC, with
//! and without TLS, that come late, fall ill, and have too much to do.

#[path = "app/over_grpc.rs"]
mod over_grpc;
mod support;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Version};
use replug_proto::dapr::runtime::v1 as pb;
use replug_proto::dapr::runtime::v1::app_callback_alpha_server::{
    AppCallbackAlpha, AppCallbackAlphaServer,
};
use replug_proto::dapr::runtime::v1::app_callback_health_check_server::{
    AppCallbackHealthCheck, AppCallbackHealthCheckServer,
};
use replug_proto::dapr::runtime::v1::app_callback_server::{AppCallback, AppCallbackServer};
use replug_runtime::app::{
    AppSettings, AppState, AppToken, Application, Callbacks, Channel, HealthCheck, HttpChannel,
    HttpError, Protocol,
};
use replug_runtime::resources::MetricsSettings;
use replug_runtime::telemetry::Telemetry;
use support::application::{HttpApplication, acceptor, answer, reserved, settings};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tonic::Status;

const PATIENCE: Duration = Duration::from_secs(30);

fn application(settings: AppSettings) -> Application {
    Application::new("shop", settings, None).unwrap()
}

fn http(application: &Application) -> &HttpChannel {
    match application.channel() {
        Channel::Http(channel) => channel,
        Channel::Grpc(_) => panic!("it speaks gRPC"),
    }
}

fn grpc(application: &Application) -> &Callbacks {
    match application.channel() {
        Channel::Grpc(callbacks) => callbacks,
        Channel::Http(_) => panic!("it speaks HTTP"),
    }
}

fn post(path: &str, body: &str) -> Request<Bytes> {
    Request::post(path).header("x-seen", "yes").body(Bytes::from(body.to_owned())).unwrap()
}

/// Waits until the application is in this state.
async fn until(application: &Application, wanted: AppState) {
    let mut state = application.state();
    let waiting = state.wait_for(|state| *state == wanted);
    tokio::time::timeout(PATIENCE, waiting).await.expect("it comes to that").unwrap();
}

/// Has somebody attend to the application; ended when dropped.
fn attended(application: &Application) -> JoinSet<()> {
    let application = application.clone();
    let mut attending = JoinSet::new();
    attending.spawn(async move { match application.attend().await {} });
    attending
}

async fn echo(request: Request<Bytes>) -> Response<Bytes> {
    let token = request.headers().get("dapr-api-token").map(|token| token.to_str().unwrap());
    let text = format!(
        "{} {} {:?} {} {token:?} {}",
        request.method(),
        request.uri().path_and_query().unwrap(),
        request.version(),
        request.headers().contains_key("x-seen"),
        String::from_utf8_lossy(request.body())
    );
    answer(201, &text)
}

#[test]
fn without_a_port_there_is_no_application() {
    assert!(Application::new("shop", AppSettings::default(), None).is_none());
}

#[tokio::test]
async fn a_request_reaches_the_application_as_it_is_and_connections_are_used_again() {
    for (protocol, version) in
        [(Protocol::Http, Version::HTTP_11), (Protocol::H2c, Version::HTTP_2)]
    {
        let app = HttpApplication::start(echo).await;
        let token = AppToken::new("secret").unwrap();
        let application = application(AppSettings { token, ..settings(app.address, protocol) });
        for _ in 0..3 {
            let answer = http(&application).send(post("/orders/new?x=%20y", "{}")).await.unwrap();
            assert_eq!(answer.status(), 201);
            let wanted = format!("POST /orders/new?x=%20y {version:?} true Some(\"secret\") {{}}");
            assert_eq!(answer.body(), wanted.as_bytes());
        }
        assert_eq!(app.connections.load(Ordering::Relaxed), 1, "{protocol}");
    }
}

#[tokio::test]
async fn calls_are_measured_those_without_an_answer_too() {
    let app = HttpApplication::start(echo).await;
    let telemetry = Arc::new(Telemetry::new("shop", "", &MetricsSettings::default()));
    let settings = settings(app.address, Protocol::Http);
    let application = Application::new("shop", settings, Some(telemetry.clone())).unwrap();
    http(&application).send(post("/orders/new?x=1", "{}")).await.unwrap();
    let nobody = settings_of_nobody();
    let nobody = Application::new("shop", nobody, Some(telemetry.clone())).unwrap();
    http(&nobody).send(post("/lost", "")).await.unwrap_err();
    let text = telemetry.text();
    for line in [
        r#"dapr_http_client_completed_count{app_id="shop",method="POST",path="/orders/new",status="201"} 1"#,
        r#"dapr_http_client_sent_bytes_sum{app_id="shop",method="POST",path="/orders/new",status=""} 2"#,
        r#"dapr_http_client_roundtrip_latency_count{app_id="shop",method="POST",path="/orders/new",status="201"} 1"#,
        r#"dapr_http_client_completed_count{app_id="shop",method="POST",path="/lost",status="500"} 1"#,
    ] {
        assert!(text.lines().any(|shown| shown == line), "{line} is not in\n{text}");
    }
}

/// An application whose port nobody listens on.
fn settings_of_nobody() -> AppSettings {
    // The first port of all, which no test listens on.
    settings(SocketAddr::from(([127, 0, 0, 1], 1)), Protocol::Http)
}

#[tokio::test]
async fn tls_is_spoken_to_an_application_that_signed_its_own_certificate() {
    let app = HttpApplication::start_with_tls(b"http/1.1", echo).await;
    let application = application(settings(app.address, Protocol::Https));
    let answer = http(&application).send(post("/", "hi")).await.unwrap();
    assert_eq!(answer.body().as_ref(), b"POST / HTTP/1.1 true None hi");
}

#[tokio::test]
async fn a_redirect_is_an_answer_like_others() {
    let app = HttpApplication::start(async |_| {
        let mut answer = answer(302, "");
        answer.headers_mut().insert("location", "/elsewhere".parse().unwrap());
        answer
    })
    .await;
    let application = application(settings(app.address, Protocol::Http));
    let answer = http(&application).send(post("/here", "")).await.unwrap();
    assert_eq!(answer.status(), 302);
    assert_eq!(answer.headers()["location"], "/elsewhere");
}

#[tokio::test]
async fn an_answer_beyond_the_bound_is_refused() {
    let app = HttpApplication::start(async |_| answer(200, &"x".repeat(2000))).await;
    let bounded = AppSettings { max_body: 1000, ..settings(app.address, Protocol::Http) };
    let error = http(&application(bounded)).send(post("/", "")).await.unwrap_err();
    assert!(matches!(error, HttpError::TooLarge { limit: 1000 }), "{error}");
}

#[tokio::test]
async fn an_application_that_is_not_there_is_told_of_with_the_cause() {
    let (_reserved, address) = reserved();
    let application = application(settings(address, Protocol::Http));
    let error = http(&application).send(post("/", "")).await.unwrap_err().to_string();
    assert!(error.contains("refused"), "{error}");
}

#[tokio::test]
async fn no_more_requests_are_under_way_than_the_application_takes() {
    let (arrived, mut arrivals) = mpsc::unbounded_channel();
    let answers = Arc::new(Semaphore::new(0));
    let handler = {
        let answers = answers.clone();
        move |request: Request<Bytes>| {
            let (arrived, answers) = (arrived.clone(), answers.clone());
            async move {
                arrived.send(request.uri().path().to_owned()).unwrap();
                answers.acquire().await.unwrap().forget();
                answer(200, "")
            }
        }
    };
    let app = HttpApplication::start(handler).await;
    let bounded = AppSettings { max_concurrency: 2, ..settings(app.address, Protocol::Http) };
    let application = application(bounded);
    let mut calls = JoinSet::new();
    for _ in 0..3 {
        let application = application.clone();
        calls.spawn(async move { http(&application).send(post("/work", "")).await.unwrap() });
    }
    arrivals.recv().await.unwrap();
    arrivals.recv().await.unwrap();
    // A probe needs no turn; when it is there, the third would have been there as well.
    let check = HealthCheck { path: "/probe".to_owned(), ..HealthCheck::default() };
    let probed = AppSettings { health: Some(check), ..application.settings().clone() };
    let _attending = attended(&self::application(probed));
    loop {
        match arrivals.recv().await.unwrap().as_str() {
            "/probe" => break,
            "/dapr/config" => {}
            other => panic!("{other} came before its turn"),
        }
    }
    answers.add_permits(2);
    assert_eq!(arrivals.recv().await.as_deref(), Some("/work"));
    answers.add_permits(10);
    assert_eq!(calls.join_all().await.len(), 3);
}

#[tokio::test]
async fn an_application_that_comes_late_is_waited_for_and_asked_for_its_configuration() {
    let (reserved, address) = reserved();
    let application = application(settings(address, Protocol::Http));
    let _attending = attended(&application);
    assert_eq!(*application.state().borrow(), AppState::Awaited);

    let asked = Arc::new(Mutex::new(Vec::new()));
    let handler = {
        let asked = asked.clone();
        move |request: Request<Bytes>| {
            let header = |name: &str| request.headers()[name].to_str().unwrap().to_owned();
            let told = (request.uri().path().to_owned(), header("dapr-app-id"));
            assert_eq!(header("content-type"), "application/json");
            asked.lock().unwrap().push(told);
            async { answer(200, r#"{"entities":["cart"]}"#) }
        }
    };
    let _app = HttpApplication::serve(reserved.listen(8).unwrap(), None, handler);
    until(&application, AppState::Healthy).await;
    application.discovered().await;
    assert_eq!(*asked.lock().unwrap(), [("/dapr/config".to_owned(), "shop".to_owned())]);
}

#[tokio::test]
async fn checks_that_fail_make_an_application_unhealthy_until_one_passes() {
    let well = Arc::new(AtomicBool::new(false));
    let tokens = Arc::new(AtomicUsize::new(0));
    let handler = {
        let (well, tokens) = (well.clone(), tokens.clone());
        move |request: Request<Bytes>| {
            let is_check = request.uri() == "/up";
            if is_check && request.headers().contains_key("dapr-api-token") {
                tokens.fetch_add(1, Ordering::Relaxed);
            }
            let well = !is_check || well.load(Ordering::Relaxed);
            async move { answer(if well { 200 } else { 500 }, "") }
        }
    };
    let app = HttpApplication::start(handler).await;
    let check = HealthCheck {
        path: "/up".to_owned(),
        interval: Duration::from_millis(5),
        timeout: Duration::from_secs(5),
        threshold: 2,
    };
    let application = application(AppSettings {
        health: Some(check),
        token: AppToken::new("secret").unwrap(),
        ..settings(app.address, Protocol::Http)
    });
    let _attending = attended(&application);
    until(&application, AppState::Unhealthy).await;
    well.store(true, Ordering::Relaxed);
    until(&application, AppState::Healthy).await;
    well.store(false, Ordering::Relaxed);
    until(&application, AppState::Unhealthy).await;
    well.store(true, Ordering::Relaxed);
    until(&application, AppState::Healthy).await;
    assert_eq!(tokens.load(Ordering::Relaxed), 0, "a probe shows no token");
}
