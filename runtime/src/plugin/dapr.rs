//! Wrappers over Dapr's contracts for pluggable components.

mod state;

pub use state::DaprStateStore;
