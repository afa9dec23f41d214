//! The control API: what a user asks of a running replug, over a Unix socket that only root, replug's
//! own user and the members of one group can reach.

mod accept;
mod client;
mod convert;
mod desk;
mod peer;
mod socket;

pub use client::{Client, ClientError, Events, LogLines};
pub(crate) use convert::{component as wire_component, state as wire_state};
pub use desk::{About, UpgradeDesk};
pub use socket::{BindError, ControlSocket, ServeError};
