//! Wrappers over Dapr's contracts for pluggable components.

mod binding;
mod pubsub;
mod secret;
mod state;

pub use binding::DaprBinding;
pub use pubsub::DaprPubSub;
pub use secret::DaprSecretStore;
pub use state::DaprStateStore;
