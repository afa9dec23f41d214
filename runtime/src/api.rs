//! What applications call: Dapr's API over gRPC and over HTTP, and Layotto's over gRPC.
//!
//! The APIs turn requests into calls on the registry's components, and what comes of them into the
//! statuses, bodies and texts that clients of Dapr and Layotto know. They know no plugin and no
//! process; whoever runs them brings a registry, addresses, and the moment to stop.

mod access;
mod connections;
pub(crate) mod dapr;
mod grpc;
mod health;
mod layotto;
mod listener;
mod quoted;
mod server;
mod settings;
mod token;

pub use access::ApiAccess;
pub use connections::LastCalls;
pub(crate) use dapr::json;
pub use health::{Health, Phase};
pub use listener::{
    BindCause, BindError, BindErrors, Given, GivenBy, ListenAddress, ListenAddressError,
};
pub use server::{Bound, Ending, ShutdownRequest};
pub use settings::{ApiCallLog, ApiSettings, Traces};
pub use token::ApiToken;
