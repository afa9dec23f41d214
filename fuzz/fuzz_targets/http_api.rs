//! Bytes of a connection to the HTTP port.
#![no_main]

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use replug_runtime::api::{ApiSettings, Bound, Ending, Phase};
use replug_runtime::component::{ComponentSpec, HoldPolicy};
use replug_runtime::registry::Registry;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

/// How long an answer may take, so that one that never comes is found.
const PATIENCE: Duration = Duration::from_secs(10);

/// A runtime that serves built-in components, and where.
struct Served {
    runtime: Runtime,
    address: String,
}

impl Served {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let address = runtime.block_on(async {
            let registry = Arc::new(Registry::new("app", ""));
            for (name, kind) in [
                ("store", "state.in-memory"),
                ("bus", "pubsub.in-memory"),
                ("vault", "secretstores.local.env"),
            ] {
                let spec = ComponentSpec {
                    name: name.to_owned(),
                    component_type: kind.parse().unwrap(),
                    version: "v1".to_owned(),
                    metadata: [].into(),
                    hold: HoldPolicy::default(),
                    namespaced: false,
                };
                registry.declare(spec).await.unwrap();
            }
            let mut settings = ApiSettings::new("app", "0");
            settings.http = vec!["127.0.0.1:0".parse().unwrap()];
            let bound = Bound::bind(settings).await.unwrap();
            let address = bound.http_addresses()[0].to_string();
            bound.health().reached(Phase::Ready);
            let (requests, mut shutdowns) = mpsc::channel(1);
            // What asks for an end gets none.
            tokio::spawn(async move { while shutdowns.recv().await.is_some() {} });
            tokio::spawn(bound.serve(registry, requests, std::future::pending::<Ending>()));
            address
        });
        Self { runtime, address }
    }

    fn answer(&self, request: &[u8]) {
        let answered = async {
            let mut stream = TcpStream::connect(&self.address).await.unwrap();
            let (mut read, mut write) = stream.split();
            let mut answer = Vec::new();
            let sending = async {
                // The server may have had enough before it has read everything.
                let _ = write.write_all(request).await;
                let _ = write.shutdown().await;
            };
            let (_, _) = tokio::join!(sending, read.read_to_end(&mut answer));
        };
        let in_time = self.runtime.block_on(async { tokio::time::timeout(PATIENCE, answered).await });
        in_time.expect("the connection comes to an end");
    }
}

fuzz_target!(|request: &[u8]| {
    static SERVED: OnceLock<Served> = OnceLock::new();
    SERVED.get_or_init(Served::start).answer(request);
});
