//! Components whose work is done by a plugin: the connection to its socket, what it serves, and a
//! wrapper per contract that stands in the registry like any built-in.
//!
//! Whoever runs or finds plugins brings the sockets; this module knows nothing of processes.

mod answer;
mod call;
mod connection;
mod contract;
pub mod dapr;
mod direct;
mod ends;
pub mod layotto;
mod link;
mod probe;
mod seat;
mod stream;
mod tally;
mod wrapper;

pub use connection::{Closed, Connection, ConnectionError};
pub use contract::{Contract, Contracts};
pub use direct::Direct;
pub use link::{CallKind, Link, LinkState};
pub use probe::{ProbeError, ping, probe};
pub use seat::Seat;
pub use tally::Calls;
pub use wrapper::{Learned, Wrapper};
