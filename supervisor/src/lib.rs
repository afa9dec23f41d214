//! The plugin process manager of replug: what `plugins.toml` asks for, the processes that serve it,
//! their sockets and links, and what the user sees of them.
//!
//! It knows no state store and no HTTP route: what a plugin serves goes to the runtime's registry,
//! which is all that the two share.

pub mod activation;
pub mod connect;
pub mod control;
pub mod doctor;
pub mod events;
pub mod files;
mod found;
pub mod health;
mod inherit;
mod instance;
pub mod notify;
pub mod output;
pub mod plan;
pub mod plugin;
pub mod process;
pub mod reload;
pub mod restart;
pub mod sockets;
pub mod status;
pub mod supervisor;
pub mod told;
pub mod upgrade;
pub mod usage;
