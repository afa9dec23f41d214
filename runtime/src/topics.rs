//! Which topics of a pubsub component an application may use, and what they are called at the
//! broker, as Dapr has it.
//!
//! `allowedTopics` bounds all applications; `publishingScopes` and `subscriptionScopes` bound those
//! that they name; a topic of `protectedTopics` is for those alone that a scope gives it to.

use std::borrow::Cow;
use std::collections::HashSet;

use crate::component::DeclaredMetadata;

/// The namespace of topics where the environment names none.
const DEFAULT_NAMESPACE: &str = "default";

/// What an application does with a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// It publishes.
    Publish,
    /// It subscribes.
    Subscribe,
}

/// The rules of one component for one application. Topics are compared letter by letter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Topics {
    /// None: all.
    allowed: Option<HashSet<String>>,
    protected: HashSet<String>,
    /// None: the application is not named.
    publishing: Option<HashSet<String>>,
    subscribing: Option<HashSet<String>>,
    /// Put before each topic towards the broker.
    prefix: String,
}

/// A rule that a secret store keeps: rules have to be known before that is asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` cannot be what a secret store keeps")]
pub struct SecretRule(String);

/// The metadata that are rules.
const RULES: [&str; 4] =
    ["allowedTopics", "protectedTopics", "publishingScopes", "subscriptionScopes"];

impl Topics {
    /// The rules in a component's metadata for the application `app_id`. The namespace is put
    /// before its topics at the broker where one is given; an empty one stands for the default.
    pub fn new(
        metadata: &DeclaredMetadata,
        app_id: &str,
        namespace: Option<&str>,
    ) -> Result<Self, SecretRule> {
        let is_rule = |name: &str| RULES.iter().any(|rule| rule.eq_ignore_ascii_case(name));
        let mut kept = metadata.iter().filter(|(_, value)| value.reference().is_some());
        if let Some((name, _)) = kept.find(|(name, _)| is_rule(name)) {
            return Err(SecretRule(name.clone()));
        }
        let list = |name| setting(metadata, name).map(|value| topics(&value));
        let scope = |name| setting(metadata, name).and_then(|value| scope(&value, app_id));
        let prefix = match namespace {
            Some("") => DEFAULT_NAMESPACE,
            Some(namespace) => namespace,
            None => "",
        };
        Ok(Self {
            allowed: list("allowedTopics"),
            protected: list("protectedTopics").unwrap_or_default(),
            publishing: scope("publishingScopes"),
            subscribing: scope("subscriptionScopes"),
            prefix: prefix.to_owned(),
        })
    }

    /// Whether the application may do this with a topic, by the name it has for applications.
    #[must_use]
    pub fn allow(&self, what: Use, topic: &str) -> bool {
        if self.allowed.as_ref().is_some_and(|allowed| !allowed.contains(topic)) {
            return false;
        }
        let scope = match what {
            Use::Publish => &self.publishing,
            Use::Subscribe => &self.subscribing,
        };
        match scope {
            Some(scope) => scope.contains(topic),
            None => !self.protected.contains(topic),
        }
    }

    /// The topic's name at the broker.
    #[must_use]
    pub fn at_broker<'a>(&self, topic: &'a str) -> Cow<'a, str> {
        if self.prefix.is_empty() {
            Cow::Borrowed(topic)
        } else {
            Cow::Owned(format!("{}{topic}", self.prefix))
        }
    }

    /// The topic's name for applications.
    #[must_use]
    pub fn for_app<'a>(&self, topic: &'a str) -> &'a str {
        topic.strip_prefix(self.prefix.as_str()).unwrap_or(topic)
    }
}

/// The value of this name, in any case, without its spaces; none where it is empty.
fn setting(metadata: &DeclaredMetadata, name: &str) -> Option<String> {
    let (_, value) = metadata.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
    let value = value.text().unwrap_or_default();
    (!value.is_empty()).then(|| value.replace(' ', ""))
}

fn topics(list: &str) -> HashSet<String> {
    list.split(',').map(str::to_owned).collect()
}

/// What `app1=t1,t2;app2=t3` says of one application.
fn scope(scopes: &str, app_id: &str) -> Option<HashSet<String>> {
    let of_app = scopes.split(';').filter_map(|scope| {
        let mut parts = scope.split('=');
        (parts.next()? == app_id).then(|| parts.next()).flatten()
    });
    let given: HashSet<String> = of_app.flat_map(topics).collect();
    (!given.is_empty()).then_some(given)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(metadata: &[(&str, &str)]) -> Topics {
        let metadata = metadata.iter().map(|(k, v)| ((*k).to_owned(), (*v).into())).collect();
        Topics::new(&metadata, "shop", None).unwrap()
    }

    fn allowed(rules: &Topics, what: Use) -> Vec<&'static str> {
        ["a", "b", "c"].into_iter().filter(|topic| rules.allow(what, topic)).collect()
    }

    #[test]
    fn without_rules_every_topic_is_allowed_under_its_own_name() {
        let rules = rules(&[]);
        assert_eq!(allowed(&rules, Use::Publish), ["a", "b", "c"]);
        assert_eq!(rules.at_broker("a"), "a");
    }

    #[test]
    fn allowed_topics_bound_everybody_and_scopes_those_that_they_name() {
        let rules = rules(&[
            ("ALLOWEDTOPICS", "a, b"),
            ("publishingScopes", "other=c; shop = b, c"),
            ("subscriptionScopes", "other=a"),
        ]);
        assert_eq!(allowed(&rules, Use::Publish), ["b"]);
        assert_eq!(allowed(&rules, Use::Subscribe), ["a", "b"]);
    }

    #[test]
    fn an_empty_scope_allows_nothing_and_a_malformed_one_is_none() {
        let none = rules(&[("publishingScopes", "shop=")]);
        assert!(allowed(&none, Use::Publish).is_empty());
        let malformed = rules(&[("publishingScopes", "shop")]);
        assert_eq!(allowed(&malformed, Use::Publish), ["a", "b", "c"]);
    }

    #[test]
    fn a_protected_topic_is_for_those_that_a_scope_gives_it_to() {
        let rules = rules(&[("protectedTopics", "a,b"), ("subscriptionScopes", "shop=a")]);
        assert_eq!(allowed(&rules, Use::Publish), ["c"]);
        assert_eq!(allowed(&rules, Use::Subscribe), ["a"]);
    }

    #[test]
    fn a_namespace_keeps_topics_apart_at_the_broker_and_rules_name_them_without_it() {
        let metadata = [("allowedTopics".to_owned(), "a".into())].into();
        let rules = |namespace| Topics::new(&metadata, "shop", Some(namespace)).unwrap();
        let prod = rules("prod");
        assert!(prod.allow(Use::Publish, "a"));
        assert_eq!((&*prod.at_broker("a"), prod.for_app("proda")), ("proda", "a"));
        assert_eq!(rules("").at_broker("a"), "defaulta");
    }
}
