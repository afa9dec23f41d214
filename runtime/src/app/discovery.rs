//! The application's beginning: its port is waited for, and it is asked what it is.

use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Request, StatusCode};
use serde::Deserialize;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::http::HttpChannel;
use super::settings::AppSettings;
use super::stream::Connector;

/// How often the port is tried. Nothing tells when another process begins to listen.
const BETWEEN_TRIES: Duration = Duration::from_millis(100);

/// How often the log says that it is still waited for.
const BETWEEN_WORDS: Duration = Duration::from_secs(10);

/// How long the question for its configuration holds up deliveries.
const CONFIGURATION_TIMEOUT: Duration = Duration::from_secs(10);

/// Where an application over HTTP says what it is.
const CONFIGURATION_PATH: &str = "/dapr/config";

/// What is understood of an application's configuration.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Configuration {
    /// The types of actors that it hosts.
    entities: Vec<String>,
}

/// Connects until somebody listens on the application's port, however long that takes.
pub(super) async fn wait_for_port(settings: &AppSettings) {
    let (protocol, port) = (settings.protocol, settings.port);
    tracing::info!(
        "the application is called on port {port}, over {protocol}: waiting until it listens"
    );
    let connector = Connector::new(settings);
    let mut ticks = interval(BETWEEN_TRIES);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut said = Instant::now();
    loop {
        ticks.tick().await;
        match connector.connect().await {
            Ok(_) => break,
            Err(error) => tracing::trace!("application port {port}: {error}"),
        }
        if said.elapsed() >= BETWEEN_WORDS {
            tracing::info!("the application does not listen on port {port} yet");
            said = Instant::now();
        }
    }
    tracing::info!("the application listens on port {port}");
}

/// Asks the application what it is. It need not know the question.
pub(super) async fn read_configuration(channel: &HttpChannel) {
    let asked = async {
        let request = Request::get(CONFIGURATION_PATH).header(CONTENT_TYPE, "application/json");
        let request = request.body(Bytes::new()).ok()?;
        let answer = channel.ask(request).await;
        let answer = answer.inspect_err(|error| tracing::debug!("{CONFIGURATION_PATH}: {error}"));
        answer.ok().filter(|answer| answer.status() == StatusCode::OK)
    };
    let Ok(answer) = tokio::time::timeout(CONFIGURATION_TIMEOUT, asked).await else {
        tracing::warn!("the application does not answer {CONFIGURATION_PATH}");
        return;
    };
    let configuration = answer.and_then(|answer| serde_json::from_slice(answer.body()).ok());
    let Configuration { entities } = configuration.unwrap_or_default();
    tracing::info!(target: "dapr.runtime", "Application configuration loaded");
    if !entities.is_empty() {
        tracing::warn!(
            "the application hosts actors ({}), which replug does not have: nobody calls them",
            entities.join(", ")
        );
    }
}
