//! `kind: Subscription`, in both versions, as plain values.

use super::fields::{FieldError, Fields};
use super::manifest::{Manifest, spec_of};

/// What an application wants to be told of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionResource {
    /// What the resource is called.
    pub name: String,
    /// The pubsub component.
    pub pubsub: String,
    /// The topic.
    pub topic: String,
    /// Where an event goes that no rule matches; empty where there is no such place.
    pub default_route: String,
    /// Rules, of which the first that matches decides.
    pub rules: Vec<SubscriptionRule>,
    /// Where events go that could not be delivered; empty where there is none.
    pub dead_letter_topic: String,
    /// What the pubsub component is told.
    pub metadata: Vec<(String, String)>,
    /// Whether and how events come several at a time.
    pub bulk: BulkSubscribe,
    /// The applications that it is for; none listed: every one.
    pub scopes: Vec<String>,
    /// `FILE:LINE` of its document.
    pub place: String,
}

/// Where events go that an expression is true of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionRule {
    /// The expression, in CEL; empty: it is true of every event.
    pub condition: String,
    /// The path.
    pub path: String,
}

/// Whether and how events come several at a time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BulkSubscribe {
    /// Whether they do.
    pub enabled: bool,
    /// How many at the most; zero: as many as the runtime thinks right.
    pub max_messages_count: u32,
    /// How many milliseconds the first of them waits for others; zero likewise.
    pub max_await_duration_ms: u32,
}

impl SubscriptionResource {
    /// What the manifest declares.
    pub fn read(manifest: &Manifest) -> Result<Self, FieldError> {
        let second = manifest.api_version.ends_with("/v2alpha1");
        spec_of(manifest, |spec| {
            let text = |name: &str| spec.text(name).map(Option::unwrap_or_default);
            let (default_route, rules) =
                if second { routes(spec)? } else { (text("route")?, Vec::new()) };
            Ok(Self {
                name: manifest.name.clone(),
                pubsub: text("pubsubname")?,
                topic: text("topic")?,
                default_route,
                rules,
                dead_letter_topic: text("deadLetterTopic")?,
                metadata: spec.map("metadata")?,
                bulk: spec.table("bulkSubscribe", BulkSubscribe::read)?.unwrap_or_default(),
                scopes: manifest.scopes.clone(),
                place: manifest.place(),
            })
        })
    }
}

fn routes(spec: Fields<'_>) -> Result<(String, Vec<SubscriptionRule>), FieldError> {
    let rule = |rule: Fields<'_>| {
        let condition = rule.text("match")?.unwrap_or_default();
        Ok(SubscriptionRule { condition, path: rule.text("path")?.unwrap_or_default() })
    };
    let read = |routes: Fields<'_>| {
        let rules = routes.tables("rules", rule)?.unwrap_or_default();
        Ok((routes.text("default")?.unwrap_or_default(), rules))
    };
    spec.table("routes", read).map(Option::unwrap_or_default)
}

impl BulkSubscribe {
    fn read(fields: Fields<'_>) -> Result<Self, FieldError> {
        let count = |name: &str| match fields.integer(name)? {
            None => Ok(0),
            Some(number) => u32::try_from(number)
                .map_err(|_| fields.wrong(name, &format!("is {number}; write a number above 0"))),
        };
        Ok(Self {
            enabled: fields.bool("enabled")?.unwrap_or_default(),
            max_messages_count: count("maxMessagesCount")?,
            max_await_duration_ms: count("maxAwaitDurationMs")?,
        })
    }
}
