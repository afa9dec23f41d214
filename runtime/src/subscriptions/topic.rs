//! What an application subscribes to, wherever that is said, and which counts where two say it.

use std::time::Duration;

use replug_component::Metadata;

use crate::messaging::{Condition, Gathering, Routes, Rule, is_raw};
use crate::resources::{BulkSubscribe, SubscriptionResource};

/// A topic that an application is told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TopicSubscription {
    pub(crate) pubsub: String,
    pub(crate) topic: String,
    pub(crate) metadata: Metadata,
    pub(crate) routes: Routes,
    /// Empty where there is none.
    pub(crate) dead_letter_topic: String,
    /// Messages are delivered several at a time.
    pub(crate) gathering: Option<Gathering>,
    pub(crate) origin: Origin,
}

/// Who says that an application subscribes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// `plugins.toml`, or a resource.
    Declarative,
    /// The application, when it was asked.
    Programmatic,
    /// The application, by a stream that it has opened.
    Streaming,
}

// === impl TopicSubscription ===

impl TopicSubscription {
    /// What a declaration says. The error is that of a condition.
    pub(super) fn declared(resource: &SubscriptionResource) -> Result<Self, String> {
        let rules = resource.rules.iter().map(|rule| (rule.condition.as_str(), rule.path.as_str()));
        Ok(Self {
            pubsub: resource.pubsub.clone(),
            topic: resource.topic.clone(),
            metadata: resource.metadata.iter().cloned().collect(),
            routes: routes(rules, &resource.default_route)?,
            dead_letter_topic: resource.dead_letter_topic.clone(),
            gathering: gathering(&resource.bulk),
            origin: Origin::Declarative,
        })
    }

    /// Whether messages come in no envelope. The error says why that cannot be told.
    pub(super) fn is_raw(&self) -> Result<bool, String> {
        is_raw(&self.metadata)
    }

    fn is_to_the_same(&self, other: &Self) -> bool {
        self.pubsub == other.pubsub && self.topic == other.topic
    }
}

impl Origin {
    /// Its name in the metadata API.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Declarative => "DECLARATIVE",
            Self::Programmatic => "PROGRAMMATIC",
            Self::Streaming => "STREAMING",
        }
    }
}

/// Rules of conditions and paths, with the default path after them where there is one.
pub(super) fn routes<'r>(
    rules: impl Iterator<Item = (&'r str, &'r str)>,
    default: &str,
) -> Result<Routes, String> {
    let mut made = Vec::new();
    for (condition, path) in rules {
        let condition = match condition.trim() {
            "" => None,
            text => Some(Condition::new(text).map_err(|error| format!("{text:?}: {error}"))?),
        };
        made.push(Rule { condition, path: path.to_owned() });
    }
    if !default.is_empty() {
        made.push(Rule { condition: None, path: default.to_owned() });
    }
    Ok(Routes(made))
}

/// How messages are gathered, if they are.
pub(super) fn gathering(bulk: &BulkSubscribe) -> Option<Gathering> {
    let BulkSubscribe { enabled, max_messages_count, max_await_duration_ms } = *bulk;
    let longest = Duration::from_millis(max_await_duration_ms.into());
    enabled.then(|| Gathering::new(max_messages_count, longest))
}

/// What counts, of each component's topic once: of declared ones the first, of those that the
/// application named the last, which stands in the place of a declared one.
pub(super) fn merged<T: AsRef<TopicSubscription> + Clone>(declared: &[T], named: &[T]) -> Vec<T> {
    let mut merged: Vec<T> = Vec::new();
    let same = |merged: &[T], one: &T| {
        merged.iter().position(|other| other.as_ref().is_to_the_same(one.as_ref()))
    };
    for one in declared {
        if same(&merged, one).is_none() {
            merged.push(one.clone());
        }
    }
    for one in named {
        match same(&merged, one) {
            Some(at) => merged[at] = one.clone(),
            None => merged.push(one.clone()),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn to(topic: &str, path: &str, origin: Origin) -> Arc<TopicSubscription> {
        Arc::new(TopicSubscription {
            pubsub: "bus".into(),
            topic: topic.into(),
            metadata: Metadata::new(),
            routes: Routes::to(path),
            dead_letter_topic: String::new(),
            gathering: None,
            origin,
        })
    }

    #[test]
    fn of_two_subscriptions_to_one_topic_one_counts() {
        use Origin::{Declarative, Programmatic};

        let declared =
            [to("a", "/1", Declarative), to("b", "/2", Declarative), to("a", "/3", Declarative)];
        let named =
            [to("b", "/4", Programmatic), to("c", "/5", Programmatic), to("c", "/6", Programmatic)];
        let merged = merged(&declared, &named);
        let shown: Vec<_> =
            merged.iter().map(|it| (it.topic.as_str(), it.routes.0[0].path.as_str())).collect();
        assert_eq!(shown, [("a", "/1"), ("b", "/4"), ("c", "/6")]);
    }
}
