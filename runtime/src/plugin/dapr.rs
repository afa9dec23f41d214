//! Wrappers over Dapr's contracts for pluggable components.

mod secret;
mod state;

pub use secret::DaprSecretStore;
pub use state::DaprStateStore;
