//! Events go to the application, over what it speaks.

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;

use super::{bulk, grpc, http};
use crate::app::{Application, Channel};
use crate::messaging::{Batch, Courier, Event, Outcome};

/// Brings the events of one subscription to the application.
pub(super) struct ToApplication {
    application: Application,
    /// Nothing more is to be delivered. What fails from now on was not the message's fault: it counts
    /// as never delivered.
    leaving: AtomicBool,
}

// === impl ToApplication ===

impl ToApplication {
    pub(super) fn new(application: Application) -> Self {
        Self { application, leaving: AtomicBool::new(false) }
    }

    /// Says that the subscription is being left.
    pub(super) fn leave(&self) {
        self.leaving.store(true, Ordering::Relaxed);
    }

    fn judged(&self, outcome: Outcome) -> Outcome {
        match outcome {
            Outcome::Failed(_) if self.leaving.load(Ordering::Relaxed) => Outcome::TornDown,
            outcome => outcome,
        }
    }
}

#[async_trait]
impl Courier for ToApplication {
    async fn deliver(&self, event: &Event, path: &str) -> Outcome {
        let traces = self.application.settings().traces;
        let outcome = match self.application.channel() {
            Channel::Http(channel) => http::deliver(channel, event, path, traces).await,
            Channel::Grpc(callbacks) => grpc::deliver(callbacks, event, path, traces).await,
        };
        self.judged(outcome)
    }

    async fn deliver_all(&self, batch: &Batch<'_>) -> Vec<Outcome> {
        let traces = self.application.settings().traces;
        let outcomes = match self.application.channel() {
            Channel::Http(channel) => bulk::over_http(channel, batch).await,
            Channel::Grpc(callbacks) => bulk::over_grpc(callbacks, batch, traces).await,
        };
        outcomes.into_iter().map(|outcome| self.judged(outcome)).collect()
    }
}
