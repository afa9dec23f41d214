//! What is measured of messages, either way.

use std::time::Duration;

use super::{Counted, Counters, Maker, Telemetry};

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Processed {
    /// The application has handled it.
    Success,
    /// It is not delivered again, by somebody's decision.
    Drop,
    /// It went back to the component.
    Retry,
}

/// A message that came for the application.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ingress<'m> {
    pub(crate) component: &'m str,
    pub(crate) topic: &'m str,
    pub(crate) processed: Processed,
    /// What the application has said of it, in the cases in which Dapr tells; else empty, and what became
    /// of the message is shown for it.
    pub(crate) status: &'m str,
    /// How long the application took.
    pub(crate) took: Duration,
}

/// Several messages that came at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BulkIngress<'m> {
    pub(crate) component: &'m str,
    pub(crate) topic: &'m str,
    /// What became of each.
    pub(crate) processed: &'m [Processed],
    pub(crate) took: Duration,
}

/// Where the topic stands among the labels of what is published.
const TOPIC: &[usize] = &[3];

#[derive(Debug)]
pub(super) struct PubSub {
    ingress: Counted,
    bulk_ingress: Counted,
    bulk_events: Counters,
    egress: Counted,
    bulk_egress: Counted,
}

// === impl Processed ===

impl Processed {
    const ALL: [Self; 3] = [Self::Success, Self::Drop, Self::Retry];

    fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Drop => "drop",
            Self::Retry => "retry",
        }
    }
}

// === impl PubSub ===

impl PubSub {
    pub(super) fn new(make: &Maker<'_>) -> Self {
        let ingress = ["component", "namespace", "process_status", "topic"];
        let egress = ["component", "namespace", "success", "topic"];
        let told = ["component", "namespace", "process_status", "topic", "status"];
        Self {
            ingress: Counted::new(make, "dapr_component_pubsub_ingress", &told),
            bulk_ingress: Counted::new(make, "dapr_component_pubsub_ingress_bulk", &ingress),
            bulk_events: make.counter("dapr_component_pubsub_ingress_bulk_event_count", &ingress),
            egress: Counted::new(make, "dapr_component_pubsub_egress", &egress).open(TOPIC),
            bulk_egress: Counted::new(make, "dapr_component_pubsub_egress_bulk", &egress)
                .open(TOPIC),
        }
    }
}

// === impl Telemetry ===

impl Telemetry {
    /// A message has been delivered, or not.
    pub(crate) fn ingress(&self, message: &Ingress<'_>) {
        let Ingress { component, topic, processed, status, took } = *message;
        let status = if status.is_empty() { processed.as_str() } else { status };
        let labels = [component, &*self.namespace, processed.as_str(), topic, status];
        self.pubsub.ingress.add(&labels, took);
    }

    /// Several have been, at once. Of each thing that became of some of them one is counted, as in
    /// Dapr.
    pub(crate) fn bulk_ingress(&self, batch: &BulkIngress<'_>) {
        let BulkIngress { component, topic, processed, took } = *batch;
        self.pubsub.bulk_ingress.add(&[component, &*self.namespace, "", topic], took);
        for became in Processed::ALL.into_iter().filter(|became| processed.contains(became)) {
            let labels = [component, &*self.namespace, became.as_str(), topic];
            self.pubsub.bulk_events.of(&labels).inc();
        }
    }

    /// A message has been published, or not; with `bulk` several at once.
    pub(crate) fn egress(
        &self,
        component: &str,
        topic: &str,
        bulk: bool,
        took: Duration,
        success: bool,
    ) {
        let counted = if bulk { &self.pubsub.bulk_egress } else { &self.pubsub.egress };
        let success = if success { "true" } else { "false" };
        counted.add(&[component, &*self.namespace, success, topic], took);
    }
}
