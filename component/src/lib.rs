//! What a component is: a trait per building block, with its requests, answers and errors, and
//! their form on the wire.
//!
//! A component is the same thing on both sides of a socket. A built-in implements a trait of this
//! crate, the runtime's wrapper implements it over a link, and the SDK serves whatever implements
//! it; so a built-in runs in a process of its own without a line more. This crate knows the wire
//! contracts and nothing of registries, links or processes.

pub mod binding;
mod component_type;
mod context;
mod error;
mod features;
pub mod hello;
pub mod pubsub;
pub mod secret;
pub mod state;

use std::collections::HashMap;

pub use component_type::{BuildingBlock, ComponentType, ComponentTypeError};
pub use context::Context;
pub use error::{Error, FailedAnswer, KitError, RemoteError, Unavailable, code_name};
pub use features::Features;

/// Names to values, as configuration and requests carry them. The same type as on the wire, so
/// that it moves through without being rebuilt.
pub type Metadata = HashMap<String, String>;
