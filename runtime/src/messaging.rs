//! Messages between applications and pubsub components: the envelope that they travel in, and how a
//! subscription's messages reach whoever handles them.

pub(crate) mod cloud_event;
pub(crate) mod content_type;
mod courier;
mod event;
mod subscriber;
pub(crate) mod topic_event;

pub(crate) use self::courier::{Courier, Outcome};
pub(crate) use self::event::Event;
pub(crate) use self::subscriber::Subscriber;
