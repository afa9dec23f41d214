//! What has happened: a journal that everybody in the supervisor writes, and anybody may read.
//!
//! Events have the form in which the control API tells them. Writing never waits for a reader; the
//! journal knows nothing of who reads.

mod components;
mod difference;
mod journal;
mod kept;

use std::time::SystemTime;

use prost_types::Timestamp;
use replug_proto::replug::control::v1 as pb;
pub use replug_proto::replug::control::v1::event::Kind;

pub(crate) use components::tell_of_components;
pub(crate) use difference::Seen;
pub use journal::{HandedJournal, Journal, Read, Reader};

/// An event of this moment that is about a plugin. Its number comes from the journal.
#[must_use]
pub fn about(plugin: &str, kind: Kind, text: impl Into<String>) -> pb::Event {
    pb::Event {
        at: Some(Timestamp::from(SystemTime::now())),
        kind: kind.into(),
        plugin: plugin.to_owned(),
        text: text.into(),
        ..pb::Event::default()
    }
}
