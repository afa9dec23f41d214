//! Dapr's API: what it does, in files of this folder, and how it is spoken, in `grpc` and `http`.
//!
//! Both fronts call the same operations; what differs between them, a detail more or a text in
//! another form, is decided where an error is told.

pub(crate) mod binding;
pub(in crate::api) mod error;
pub(super) mod grpc;
pub(super) mod http;
pub(crate) mod json;
mod metadata;
mod pubsub;
mod secret;
mod state;
pub(crate) mod trace;

use std::sync::Arc;
use std::time::Instant;

use replug_component::Error;
use tokio::sync::{mpsc, watch};

use self::metadata::Extended;
use super::health::{Health, Phase};
use super::server::{Ending, ShutdownRequest};
use super::settings::ApiSettings;
use crate::registry::Registry;
use crate::telemetry::Measured;

/// Metadata that asks to end the process at once.
const FORCE_SHUTDOWN: &str = "dapr-force-shutdown";

/// What every call of Dapr's API works on. One value, shared by both fronts.
#[derive(Debug)]
pub(super) struct Dapr {
    registry: Arc<Registry>,
    settings: ApiSettings,
    health: Health,
    extended: Extended,
    shutdown: mpsc::Sender<ShutdownRequest>,
    /// Said once calls that last are to end.
    ending: watch::Receiver<Option<Ending>>,
}

impl Dapr {
    pub(super) fn new(
        registry: Arc<Registry>,
        settings: ApiSettings,
        health: Health,
        shutdown: mpsc::Sender<ShutdownRequest>,
        ending: watch::Receiver<Option<Ending>>,
    ) -> Self {
        Self { registry, settings, health, extended: Extended::default(), shutdown, ending }
    }

    /// Resolves when streams of messages are to end: the APIs end, or everything is about to.
    async fn no_more_deliveries(&self) {
        let (mut ending, mut phases) = (self.ending.clone(), self.health.watch());
        // Whoever could say it is there for as long as this is.
        tokio::select! {
            _ = ending.wait_for(Option::is_some) => {}
            _ = phases.wait_for(|phase| *phase == Phase::Stopping) => {}
        }
    }

    /// A component's call, measured where that is asked for.
    async fn measured<T>(
        &self,
        block: Measured,
        component: &str,
        operation: &str,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let Some(telemetry) = &self.settings.telemetry else { return call.await };
        let begun = Instant::now();
        let done = call.await;
        telemetry.component(block, component, operation, begun.elapsed(), done.is_ok());
        done
    }

    /// Passes on that somebody wants the runtime to end. `force` is the value of
    /// [`FORCE_SHUTDOWN`], where there is one.
    fn request_shutdown(&self, force: Option<&[u8]>) {
        let request = if force.is_some_and(|value| value.eq_ignore_ascii_case(b"true")) {
            ShutdownRequest::AtOnce
        } else {
            ShutdownRequest::Graceful
        };
        // A full channel has a request in it already, a closed one has stopped already.
        match self.shutdown.try_send(request) {
            Ok(()) if request == ShutdownRequest::AtOnce => tracing::warn!(
                target: "dapr.runtime",
                "Force shutdown requested, exiting immediately without graceful shutdown"
            ),
            Ok(()) => tracing::info!(target: "dapr.runtime", "Shutdown requested via API"),
            Err(_) => {}
        }
    }
}
