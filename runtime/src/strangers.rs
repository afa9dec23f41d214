//! What strangers write, read as the runtime reads it: one function for each kind, which takes any
//! bytes. For fuzzing (`fuzz/`) and property tests, which are outside of this crate; nothing else
//! uses it.

use replug_component::Metadata;
use replug_component::pubsub::Message;

use crate::messaging::cloud_event::{Published, Trace, wrap};
use crate::messaging::condition::Seen;
use crate::messaging::{Condition, Event, Form};

/// Publishes data of that content type and reads the event that subscribers get. False where the
/// data say that they are an event and are none.
///
/// # Panics
/// When an event that was wrapped here cannot be read again.
#[must_use]
pub fn event(content_type: &str, data: &[u8], metadata: &Metadata) -> bool {
    let wrapped = wrap(&Published {
        app_id: "app",
        pubsub: "bus",
        topic: "topic",
        content_type,
        data,
        trace: &Trace::default(),
        metadata,
        expires: true,
    });
    let Ok(data) = wrapped else { return false };
    let message = Message { data, topic: "topic".into(), ..Message::default() };
    let event = Event::read(&message, Form::Alone { raw: false }, "bus", "topic");
    let event = event.expect("what was wrapped can be read");
    let _ = event.has_expired();
    true
}

/// Reads a message as it comes from a broker, with no word on whether it is an event.
pub fn message(data: &[u8], raw: bool, metadata: Metadata) {
    let data = data.to_vec().into();
    let message = Message { data, topic: "topic".into(), metadata, content_type: None };
    for form in [Form::Alone { raw }, Form::OneOfSeveral { raw }] {
        if let Ok(event) = Event::read(&message, form, "bus", "topic") {
            let _ = (event.has_expired(), event.text("id"));
        }
    }
}

/// Whether a condition is one and true of an event. None where either cannot be read, or it is
/// neither true nor false.
#[must_use]
pub fn condition(text: &str, event: &[u8]) -> Option<bool> {
    let condition = Condition::new(text).ok()?;
    let data = event.to_vec().into();
    let message = Message { data, topic: "topic".into(), ..Message::default() };
    let event = Event::read(&message, Form::Alone { raw: false }, "bus", "topic").ok()?;
    condition.is_true_of(&Seen::event(&event)).ok()
}
