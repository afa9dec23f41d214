//! Calls that are still under way at ends that take no more of them.

use futures_util::future::join_all;

use crate::plugin::Connection;

/// Calls that are still under way over connections that take no more of them. Dropping it lets them
/// go on.
#[derive(Debug)]
pub struct Draining(Vec<Connection>);

impl Draining {
    /// No further call of an application begins over these connections, which no link has as an
    /// end any more.
    pub(super) fn begin(connections: Vec<Connection>) -> Self {
        connections.iter().for_each(Connection::drain);
        Self(connections)
    }

    /// How many calls are under way.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.0.iter().map(Connection::calls).sum()
    }

    /// Waits until none is.
    pub async fn done(&self) {
        join_all(self.0.iter().map(Connection::drained)).await;
    }
}
