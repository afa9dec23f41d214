//! Wrappers over Dapr's contracts for pluggable components.

mod pubsub;
mod secret;
mod state;

pub use pubsub::DaprPubSub;
pub use secret::DaprSecretStore;
pub use state::DaprStateStore;
