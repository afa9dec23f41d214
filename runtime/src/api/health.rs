//! Whether the runtime can be used, as health checks are told.

use std::sync::Arc;

use tokio::sync::watch;

/// How far the runtime has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// The APIs listen; components are still being made.
    Starting,
    /// Components can be called; the application is waited for.
    OutboundReady,
    /// Everything is there.
    Ready,
    /// It is stopping. Components can still be called by those who are connected.
    Stopping,
}

impl Phase {
    /// What is not ready, in the words that health checks of Dapr match.
    pub(super) fn not_ready(self) -> Option<&'static str> {
        match self {
            Self::Starting | Self::OutboundReady => Some("runtime"),
            Self::Ready => None,
            Self::Stopping => Some("grpc-api-server"),
        }
    }

    /// Whether components can be called.
    pub(super) fn outbound_ready(self) -> bool {
        self != Self::Starting
    }
}

/// The runtime's phase: set by whoever starts and stops it, read by health checks. Clones are the
/// same.
#[derive(Debug, Clone)]
pub struct Health(Arc<watch::Sender<Phase>>);

impl Health {
    pub(super) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(Phase::Starting)))
    }

    /// The phase at this moment.
    #[must_use]
    pub fn phase(&self) -> Phase {
        *self.0.borrow()
    }

    /// Tells that the runtime has come this far. It never goes back: an earlier phase than the
    /// present one changes nothing.
    pub fn reached(&self, phase: Phase) {
        self.0.send_if_modified(|present| {
            let further = phase > *present;
            if further {
                *present = phase;
            }
            further
        });
    }

    pub(super) fn watch(&self) -> watch::Receiver<Phase> {
        self.0.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runtime_that_stops_does_not_become_ready_again() {
        let health = Health::new();
        health.reached(Phase::Stopping);
        health.reached(Phase::Ready);
        assert_eq!(health.phase(), Phase::Stopping);
    }
}
