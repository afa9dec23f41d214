//! A runtime's APIs on ports of their own, and the simplest possible HTTP client.
#![allow(dead_code)] // Each test file uses a part of it.

pub mod application;
pub mod broker;
pub mod life;
pub mod raw;
pub mod running;

use std::sync::Arc;
use std::time::Duration;

use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use replug_proto::dapr::runtime::v1::dapr_client::DaprClient;
use replug_runtime::api::{
    ApiSettings, Bound, Ending, Health, ListenAddress, Phase, ShutdownRequest,
};
use replug_runtime::component::{ComponentSpec, HoldPolicy};
use replug_runtime::registry::Registry;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tonic::body::Body;
use tonic::transport::{Channel, Endpoint};

pub const APP_ID: &str = "shop";

/// How long a stopped server has for what is under way.
pub const GRACE: Duration = Duration::from_secs(5);

/// Served APIs; ended when dropped.
pub struct Api {
    pub registry: Arc<Registry>,
    pub health: Health,
    pub shutdowns: mpsc::Receiver<ShutdownRequest>,
    pub grpc: String,
    pub http: String,
    stop: Option<oneshot::Sender<Duration>>,
    pub served: JoinHandle<()>,
}

impl Drop for Api {
    fn drop(&mut self) {
        self.served.abort();
    }
}

/// An answer as it came over the wire.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// The head's lines after the first, as they are.
    pub headers: Vec<String>,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

pub fn spec(name: &str, component_type: &str, metadata: &[(&str, &str)]) -> ComponentSpec {
    let metadata = metadata.iter().map(|(name, value)| ((*name).to_owned(), (*value).into()));
    ComponentSpec {
        name: name.to_owned(),
        component_type: component_type.parse().unwrap(),
        version: "v1".to_owned(),
        metadata: metadata.collect(),
        namespaced: false,
        hold: HoldPolicy::default(),
    }
}

impl Api {
    /// APIs over a store `mem` and a greeting `hi`, ready.
    pub async fn start() -> Self {
        Self::start_with(|settings| settings).await
    }

    pub async fn start_with(adjust: impl FnOnce(ApiSettings) -> ApiSettings) -> Self {
        let registry = Arc::new(Registry::new(APP_ID, ""));
        registry.declare(spec("mem", "state.in-memory", &[])).await.unwrap();
        registry.declare(spec("hi", "hello.helloworld", &[("hello", "hey")])).await.unwrap();
        let api = Self::serve(registry, adjust(settings())).await;
        api.health.reached(Phase::Ready);
        api
    }

    /// APIs over this registry, not ready yet.
    pub async fn serve(registry: Arc<Registry>, settings: ApiSettings) -> Self {
        let bound = Bound::bind(settings).await.unwrap();
        let only = |addresses: Vec<ListenAddress>| {
            addresses.first().map(ToString::to_string).unwrap_or_default()
        };
        let (grpc, http) = (only(bound.grpc_addresses()), only(bound.http_addresses()));
        let health = bound.health();
        let (requests, shutdowns) = mpsc::channel(1);
        let (stop, stopped) = oneshot::channel();
        let served = tokio::spawn({
            let registry = registry.clone();
            let stopped = async { Ending::Stop { grace: stopped.await.unwrap_or_default() } };
            async move { drop(bound.serve(registry, requests, stopped).await) }
        });
        Self { registry, health, shutdowns, grpc, http, stop: Some(stop), served }
    }

    /// Tells the servers to stop.
    pub fn stop(&mut self) {
        self.stop_within(GRACE);
    }

    /// Tells the servers to stop, with this long for what is under way.
    pub fn stop_within(&mut self, grace: Duration) {
        self.stop.take().expect("stopped once").send(grace).unwrap();
    }

    /// A gRPC channel, connected when it is first used.
    pub fn channel(&self) -> Channel {
        Endpoint::try_from(format!("http://{}", self.grpc)).unwrap().connect_lazy()
    }

    /// A client that has no timer of its own: what becomes of a deadline is replug's to say, however busy
    /// the machine is. A [`Channel`] gives up by itself when the time is over.
    pub fn client_without_timer(&self) -> DaprClient<Client<HttpConnector, Body>> {
        let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
        DaprClient::with_origin(client, format!("http://{}", self.grpc).parse().unwrap())
    }

    /// One request over a connection of its own.
    pub async fn http(&self, method: &str, path: &str, body: &str) -> Answer {
        self.http_with(method, path, &[], body).await
    }

    pub async fn http_with(
        &self,
        method: &str,
        path: &str,
        headers: &[&str],
        body: &str,
    ) -> Answer {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n");
        for header in headers {
            head.push_str(header);
            head.push_str("\r\n");
        }
        let request = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
        let answer = self.raw(request.as_bytes()).await;
        parsed(&answer)
    }

    /// Sends bytes and reads until the server closes.
    pub async fn raw(&self, request: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(&self.http).await.unwrap();
        // The server may answer and close before it has read everything.
        let (mut read, mut write) = stream.split();
        let mut answer = Vec::new();
        let (_, _) = tokio::join!(write.write_all(request), read.read_to_end(&mut answer));
        answer
    }
}

pub fn settings() -> ApiSettings {
    let mut settings = ApiSettings::new(APP_ID, "0.1.0");
    settings.grpc = vec!["127.0.0.1:0".parse().unwrap()];
    settings.http = vec!["127.0.0.1:0".parse().unwrap()];
    settings
}

/// An error's body without details.
pub fn plain(code: &str, message: &str) -> String {
    serde_json::json!({ "errorCode": code, "message": message }).to_string()
}

pub fn parsed(answer: &[u8]) -> Answer {
    let text = String::from_utf8_lossy(answer);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head: {text:?}"));
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, headers: lines.map(str::to_owned).collect(), body: body.to_owned() }
}
