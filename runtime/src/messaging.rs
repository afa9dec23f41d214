//! Messages between applications and pubsub components: the envelope that they travel in, and how a
//! subscription's messages reach whoever handles them.

pub(crate) mod cloud_event;
pub(crate) mod condition;
pub(crate) mod content_type;
mod courier;
mod event;
mod expression;
mod gathering;
mod presence;
mod raw;
mod routes;
mod settling;
mod subscriber;
pub(crate) mod topic_event;

pub use self::condition::{BadCondition, Condition};
pub(crate) use self::courier::{Batch, Courier, Entry, Outcome, RETRIABLE};
pub(crate) use self::event::{Event, Form};
pub(crate) use self::gathering::Gathering;
pub(crate) use self::raw::is_raw;
pub(crate) use self::routes::{Routes, Rule};
pub(crate) use self::subscriber::Subscriber;
