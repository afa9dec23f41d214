//! `[[subscriptions]]`: which topics the application is told of, and where it takes their messages.

use replug_component::BuildingBlock;
use replug_runtime::Condition;
use replug_runtime::resources::{BulkSubscribe, SubscriptionResource, SubscriptionRule};
use toml::de::DeValue;

use super::nearest::nearest;
use super::place::{Fault, Findings, Place};
use super::reader::{Entry, Placed, Section};
use super::{component, value as written};

/// What one `[[subscriptions]]` says.
pub(super) struct Declared {
    pub(super) subscription: SubscriptionResource,
    pub(super) pubsub: Place,
    pub(super) topic: Place,
}

/// Reads the array. Those for other applications are checked and left out.
pub(super) fn read(
    entry: Option<Entry<'_>>,
    app_id: &str,
    findings: &mut Findings<'_>,
) -> Vec<Declared> {
    let wanted = "a table for each, under [[subscriptions]]";
    let Some(items) = entry.and_then(|entry| entry.array(wanted, findings)) else {
        return Vec::new();
    };
    let sections = items.iter().filter_map(|item| item.section(findings)).collect::<Vec<_>>();
    let declared = sections.into_iter().filter_map(|it| one(it, app_id, findings));
    declared.collect()
}

fn one(mut section: Section<'_>, app_id: &str, findings: &mut Findings<'_>) -> Option<Declared> {
    let pubsub = needed(&mut section, "pubsub", "pubsub = \"bus\"", findings);
    let topic = needed(&mut section, "topic", "topic = \"orders\"", findings);
    let route = some_text(section.get("route"), "a path in quotes, such as \"/orders\"", findings);
    let wanted = "an array of rules, such as [{ match = \"event.type == 'a'\", path = \"/a\" }]";
    let has_rules = section.place_of("rules").span.is_some();
    let rules = section.get("rules").and_then(|entry| entry.array(wanted, findings));
    let rules: Vec<_> = rules
        .unwrap_or_default()
        .iter()
        .filter_map(|item| item.section(findings))
        .collect::<Vec<_>>()
        .into_iter()
        .filter_map(|section| rule(section, findings))
        .collect();
    if route.is_none() && !has_rules && section.place_of("route").span.is_none() {
        let help = "write where its messages go, such as route = \"/orders\", or `rules`";
        findings.missing(&section.place, Fault::new("has no `route`", help));
    }
    let dead_letter = some_text(
        section.get("dead_letter_topic"),
        "a topic in quotes, such as \"undelivered\"",
        findings,
    );
    let table = section
        .get("metadata")
        .and_then(|entry| entry.table("a table, such as { rawPayload = \"true\" }", findings));
    let metadata = table.map(|table| metadata(&table, findings)).unwrap_or_default();
    let bulk = section.get("bulk").map(|entry| bulk(&entry, findings)).unwrap_or_default();
    let places = (section.place_of("pubsub"), section.place_of("topic"));
    let is_for_us = component::scopes(&mut section, app_id, findings);
    section.finish(&[], findings);
    let subscription = SubscriptionResource {
        name: String::new(),
        pubsub: pubsub?,
        topic: topic?,
        default_route: route.unwrap_or_default(),
        rules,
        dead_letter_topic: dead_letter.unwrap_or_default(),
        metadata,
        bulk,
        scopes: Vec::new(),
        place: String::new(),
    };
    is_for_us.then_some(Declared { subscription, pubsub: places.0, topic: places.1 })
}

/// A text that has to be there.
fn needed(
    section: &mut Section<'_>,
    key: &'static str,
    example: &str,
    findings: &mut Findings<'_>,
) -> Option<String> {
    let Some(entry) = section.get(key) else {
        let fault = Fault::new(format!("has no `{key}`"), format!("write {example}"));
        findings.missing(&section.place, fault);
        return None;
    };
    some_text(Some(entry), &format!("a name in quotes, such as {example}"), findings)
}

/// A text that is not empty.
fn some_text(
    entry: Option<Entry<'_>>,
    wanted: &str,
    findings: &mut Findings<'_>,
) -> Option<String> {
    let entry = entry?;
    entry.parsed(wanted, findings, |text| {
        if text.is_empty() {
            return Err(Fault::new("is empty", format!("write {wanted}")));
        }
        Ok(text.to_owned())
    })
}

fn rule(mut section: Section<'_>, findings: &mut Findings<'_>) -> Option<SubscriptionRule> {
    let condition = section.get("match").map(|entry| {
        entry.parsed("an expression in quotes, such as \"event.type == 'a'\"", findings, |text| {
            match Condition::new(text) {
                Ok(_) => Ok(text.to_owned()),
                Err(error) => Err(Fault::new(
                    format!("is no condition: {error}"),
                    "write an expression of CEL about `event`, such as \"event.type == 'a'\"",
                )),
            }
        })
    });
    if condition.is_none() {
        let help = "write match = \"event.type == 'a'\"; where every other message goes is `route`";
        findings.missing(&section.place, Fault::new("has no `match`", help));
    }
    let path = needed(&mut section, "path", "path = \"/orders/new\"", findings);
    section.finish(&[], findings);
    Some(SubscriptionRule { condition: condition??, path: path? })
}

fn metadata(table: &Section<'_>, findings: &mut Findings<'_>) -> Vec<(String, String)> {
    let mut metadata = Vec::new();
    for entry in table.entries() {
        let text = match entry.value {
            DeValue::String(text) => Some(text.to_string()),
            DeValue::Boolean(truth) => Some(truth.to_string()),
            DeValue::Integer(number) => written::integer(number).map(|number| number.to_string()),
            _ => None,
        };
        let Some(text) = text else {
            entry.mistyped("a text in quotes, a number, or true or false", findings);
            continue;
        };
        let truths =
            ["true", "false", "1", "0", "t", "f", "T", "F", "TRUE", "FALSE", "True", "False"];
        if entry.name() == "rawPayload" && !truths.contains(&text.as_str()) {
            let fault = Fault::new(format!("is {text:?}"), "write true or false");
            findings.error(&entry.place, fault);
        }
        metadata.push((entry.name().to_owned(), text));
    }
    metadata.sort();
    metadata
}

/// Whether and how messages come several at a time: `true`, or a table.
fn bulk(entry: &Entry<'_>, findings: &mut Findings<'_>) -> BulkSubscribe {
    if let DeValue::Boolean(enabled) = entry.value {
        return BulkSubscribe { enabled: *enabled, ..BulkSubscribe::default() };
    }
    let wanted = "true, or a table such as { max_messages = 100, max_await = \"1s\" }";
    let Some(mut section) = entry.table(wanted, findings) else { return BulkSubscribe::default() };
    let most = section
        .get("max_messages")
        .and_then(|entry| entry.count("a number of messages, such as 100", 1, findings));
    let longest = section.get("max_await").and_then(|entry| entry.some_time(findings));
    section.finish(&[], findings);
    BulkSubscribe {
        enabled: true,
        max_messages_count: most.map_or(0, |most| most.try_into().unwrap_or(u32::MAX)),
        // What is shorter than a millisecond is one: zero would be the default.
        max_await_duration_ms: longest
            .map_or(0, |longest| longest.as_millis().max(1).try_into().unwrap_or(u32::MAX)),
    }
}

/// That each is to a pubsub component that is there, and no two are to one topic.
pub(super) fn check(
    declared: &[Declared],
    components: &[Placed<component::Declared>],
    resources: Option<&[replug_runtime::component::ComponentSpec]>,
    findings: &mut Findings<'_>,
) {
    for (at, one) in declared.iter().enumerate() {
        let Declared { subscription, pubsub, topic } = one;
        let same = |other: &&Declared| {
            other.subscription.pubsub == subscription.pubsub
                && other.subscription.topic == subscription.topic
        };
        if let Some(other) = declared[..at].iter().find(same) {
            let fault = Fault::new(
                format!("is {:?}, which is subscribed to already", subscription.topic),
                "write one subscription with `rules` for both",
            );
            findings.conflict(topic, fault, &other.topic, "the other one");
        }
        let own = components.iter().map(|it| {
            (it.value.name.as_str(), it.value.spec.as_ref().map(|spec| spec.component_type.block()))
        });
        let found = resources.unwrap_or_default().iter();
        let found = found.map(|spec| (spec.name.as_str(), Some(spec.component_type.block())));
        let known: Vec<_> = own.chain(found).collect();
        let name = subscription.pubsub.as_str();
        match known.iter().find(|(known, _)| *known == name) {
            // One whose type is wrong has been reported, one of another application is none of ours.
            Some((_, None | Some(BuildingBlock::PubSub))) => {}
            Some((_, Some(block))) => {
                let fault = Fault::new(
                    format!("is {name:?}, a component of the block {}", block.as_str()),
                    "name a component whose type begins with \"pubsub.\"",
                );
                findings.error(pubsub, fault);
            }
            None => {
                let names = known.iter().filter(|(_, block)| *block == Some(BuildingBlock::PubSub));
                let help = nearest(name, names.map(|(name, _)| *name)).map_or_else(
                    || format!("declare it: [components.{name}] with a type \"pubsub.…\""),
                    |near| format!("did you mean {near:?}?"),
                );
                let fault = Fault::new(format!("is {name:?}, which is no component here"), help);
                if resources.is_some() {
                    // Their folders may have it later.
                    findings.missing_warning(pubsub, fault);
                } else {
                    findings.missing(pubsub, fault);
                }
            }
        }
    }
}
