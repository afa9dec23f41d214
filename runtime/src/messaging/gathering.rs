//! Messages that are delivered several at a time: gathered until there are enough of them, or the
//! first has waited long enough. A component with `BULK_SUBSCRIBE_IMMEDIATE` has none of them wait.

use std::time::Duration;

use replug_component::pubsub::Delivery;
use tokio::time::{Instant, sleep_until};

/// How many there are at the most unless it is told, as in Dapr.
const MOST: usize = 100;

/// How long the first waits unless it is told, as in Dapr.
const LONGEST: Duration = Duration::from_secs(1);

/// How messages are gathered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gathering {
    /// How many at the most.
    pub(crate) most: usize,
    /// How long the first of them waits for others.
    pub(crate) longest: Duration,
}

/// Those that are gathered at this moment.
#[derive(Debug)]
pub(super) struct Gathered {
    how: Gathering,
    deliveries: Vec<Delivery>,
    until: Instant,
}

// === impl Gathering ===

impl Gathering {
    /// With zeros, as Dapr has it.
    pub(crate) fn new(most: u32, longest: Duration) -> Self {
        let most = usize::try_from(most).ok().filter(|most| *most > 0).unwrap_or(MOST);
        Self { most, longest: if longest.is_zero() { LONGEST } else { longest } }
    }
}

// === impl Gathered ===

impl Gathered {
    pub(super) fn new(how: Gathering) -> Self {
        Self { how, deliveries: Vec::new(), until: Instant::now() }
    }

    /// Takes another one in, and gives all where that makes enough.
    pub(super) fn add(&mut self, delivery: Delivery) -> Option<Vec<Delivery>> {
        if self.deliveries.is_empty() {
            self.until = Instant::now() + self.how.longest;
        }
        self.deliveries.push(delivery);
        (self.deliveries.len() >= self.how.most).then(|| self.take())
    }

    /// Waits until the first has waited long enough, and gives all; for ever where there are none.
    /// Dropping the future loses none.
    pub(super) async fn due(&mut self) -> Vec<Delivery> {
        if self.deliveries.is_empty() {
            return std::future::pending().await;
        }
        sleep_until(self.until).await;
        self.take()
    }

    /// All that there are.
    pub(super) fn take(&mut self) -> Vec<Delivery> {
        std::mem::take(&mut self.deliveries)
    }
}
