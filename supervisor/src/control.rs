//! The control API: what a user asks of a running replug, over a Unix socket that only replug's own
//! user and root can reach.

mod client;
mod convert;
mod server;

pub use client::{Client, ClientError};
pub use server::{About, BindError, ControlSocket};
