//! The runtime core: what is there (the registry), what it is made of (built-in components, and
//! wrappers over plugins), how applications call it (the APIs), and how it calls the application.
//!
//! It knows no process and reads no `plugins.toml`: whoever runs the plugins tells it of their
//! connections.

mod any_case;
pub mod api;
pub mod app;
pub mod builtin;
mod client_stream;
pub mod component;
pub mod encryption;
mod gate;
mod go_duration;
mod http2;
pub mod inputs;
pub mod key_prefix;
mod messaging;
pub mod plugin;
pub mod registry;
pub mod resources;
mod slot;
#[doc(hidden)]
pub mod strangers;
pub mod subscriptions;
mod system_error;
pub mod telemetry;
pub mod topics;
mod unix_stream;

pub use gate::{Because, TurnedAway};
pub use messaging::{BadCondition, Condition};
pub use slot::Slot;
pub use unix_stream::QuietUnixStream;
