//! The control API: what a user asks of a running replug, over a Unix socket that only replug's own
//! user and root can reach.

mod client;
mod convert;
mod desk;
mod socket;

pub use client::{Client, ClientError};
pub use desk::About;
pub use socket::{BindError, ControlSocket};
