//! The application: what replug calls, over HTTP or gRPC.
//!
//! [`Application`] is the one way to it. Whoever delivers something waits until the application can
//! be called ([`Application::state`]), and then sends it: a request over HTTP, or a call of Dapr's
//! `AppCallback` over gRPC. It knows nothing of what is delivered, of topics and bindings, and tries
//! nothing again.

mod discovery;
mod grpc;
mod health;
mod http;
pub(crate) mod path;
mod settings;
mod stream;
mod tls;
mod token;

use std::fmt;
use std::sync::Arc;

use tokio::sync::watch;

pub use self::grpc::Callbacks;
pub(crate) use self::grpc::calls::BINDING_EVENT;
pub use self::http::{HttpChannel, HttpError};
pub use self::settings::{AppSettings, HealthCheck, Protocol};
pub use self::token::{AppToken, InvalidToken};
use crate::telemetry::Telemetry;

/// The application's channel. Clones are the same.
#[derive(Debug, Clone)]
pub struct Application(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    app_id: String,
    settings: AppSettings,
    channel: Channel,
    state: watch::Sender<AppState>,
}

/// How the application is spoken to.
#[derive(Debug)]
pub enum Channel {
    /// With requests over HTTP.
    Http(Box<HttpChannel>),
    /// With the calls of `AppCallback`.
    Grpc(Callbacks),
}

/// Whether the application can be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppState {
    /// Nobody has listened on its port yet.
    Awaited,
    /// It listens, and its health checks fail, or none has passed yet.
    Unhealthy,
    /// It takes deliveries.
    Healthy,
}

// === impl Application ===

impl Application {
    /// The application that the settings tell of; none where it has no port. Connects to nothing
    /// yet. Its calls are measured in `telemetry`, where there is one.
    #[must_use]
    pub fn new(
        app_id: &str,
        settings: AppSettings,
        telemetry: Option<Arc<Telemetry>>,
    ) -> Option<Self> {
        if settings.port == 0 {
            return None;
        }
        let channel = if settings.protocol.is_grpc() {
            Channel::Grpc(Callbacks::new(&settings, telemetry))
        } else {
            Channel::Http(Box::new(HttpChannel::new(app_id, &settings, telemetry)))
        };
        let state = watch::Sender::new(AppState::Awaited);
        let app_id = app_id.to_owned();
        Some(Self(Arc::new(Inner { app_id, settings, channel, state })))
    }

    /// What the application is called.
    #[must_use]
    pub fn app_id(&self) -> &str {
        &self.0.app_id
    }

    /// How it is reached.
    #[must_use]
    pub fn settings(&self) -> &AppSettings {
        &self.0.settings
    }

    /// How it is spoken to.
    #[must_use]
    pub fn channel(&self) -> &Channel {
        &self.0.channel
    }

    /// Whether it can be called, now and from now on. Deliveries begin when it turns healthy and
    /// pause while it is not; calls that are under way are not ended.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<AppState> {
        self.0.state.subscribe()
    }

    /// Resolves once it has been found: somebody listens on its port.
    pub async fn discovered(&self) {
        // The other end is held by this very value.
        let _ = self.state().wait_for(|state| *state != AppState::Awaited).await;
    }

    /// Waits for its port, asks it for its configuration, and watches its health, for ever. One
    /// task does this; without it the state stays as it is.
    pub async fn attend(&self) -> std::convert::Infallible {
        let Inner { settings, channel, state, .. } = &*self.0;
        discovery::wait_for_port(settings).await;
        match &settings.health {
            None => {
                self.read_configuration().await;
                state.send_replace(AppState::Healthy);
                std::future::pending().await
            }
            Some(check) => {
                state.send_replace(AppState::Unhealthy);
                let mut asked = false;
                let mut health = health::Watch::new(check);
                loop {
                    let healthy = health.next_change(channel).await;
                    if healthy && !asked {
                        asked = true;
                        self.read_configuration().await;
                    }
                    let now = if healthy { AppState::Healthy } else { AppState::Unhealthy };
                    state.send_replace(now);
                }
            }
        }
    }

    async fn read_configuration(&self) {
        if !self.0.settings.ask_configuration {
            tracing::warn!(
                target: "dapr.runtime",
                "Skipping programmatic dapr configuration loading (see 'disable-init-endpoints' \
                 flag/annotation)"
            );
        } else if let Channel::Http(channel) = &self.0.channel {
            discovery::read_configuration(channel).await;
        }
    }
}

/// Protocol and place, such as `http 127.0.0.1:8080`.
impl fmt::Display for Application {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings = self.settings();
        write!(f, "{} {}", settings.protocol, settings.authority())
    }
}
