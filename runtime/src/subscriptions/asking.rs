//! The application is asked what it subscribes to: `GET /dapr/subscribe`, or
//! `ListTopicSubscriptions`.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use replug_component::Metadata;
use replug_proto::dapr::runtime::v1 as pb;
use serde::Deserialize;
use tonic::Code;

use super::topic::{Origin, TopicSubscription, gathering, routes};
use crate::any_case;
use crate::app::{Application, Callbacks, Channel, HttpChannel};
use crate::resources::BulkSubscribe;

/// Where an application over HTTP says it.
const PATH: &str = "/dapr/subscribe";

/// How long the first pause is before an application is asked again that could not be, as in Dapr.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// How long the pauses become. Dapr asks three more times, and then no more.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What an application has answered cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the application's subscriptions cannot be understood, and none are made: {0}")]
pub(super) struct Misunderstood(String);

/// One subscription as an application over HTTP names it. Names match in any case, see [`any_case`].
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Named {
    #[serde(rename = "pubsubname")]
    pubsub: Option<String>,
    topic: Option<String>,
    #[serde(rename = "deadlettertopic")]
    dead_letter_topic: Option<String>,
    metadata: Option<Metadata>,
    route: Option<String>,
    routes: Option<NamedRoutes>,
    #[serde(rename = "bulksubscribe")]
    bulk_subscribe: Option<NamedBulk>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct NamedRoutes {
    rules: Option<Vec<NamedRule>>,
    default: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct NamedRule {
    r#match: Option<String>,
    path: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct NamedBulk {
    enabled: Option<bool>,
    #[serde(rename = "maxmessagescount")]
    max_messages_count: Option<i32>,
    #[serde(rename = "maxawaitdurationms")]
    max_await_duration_ms: Option<i32>,
}

/// What the application subscribes to. Asked again and again while it cannot be; one that does not
/// know the question, or answers by an error, subscribes to nothing.
pub(super) async fn ask(
    application: &Application,
) -> Result<Vec<TopicSubscription>, Misunderstood> {
    let mut pause = FIRST_PAUSE;
    loop {
        let asked = match application.channel() {
            Channel::Http(channel) => over_http(channel).await,
            Channel::Grpc(callbacks) => over_grpc(callbacks).await,
        };
        match asked {
            Ok(answer) => return answer,
            Err(error) => tracing::warn!(
                "cannot ask the application for its subscriptions, tried again in {pause:?}: \
                 {error}"
            ),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 3 / 2).min(LONGEST_PAUSE);
    }
}

/// An answer, or that there is none.
type Answered = Result<Result<Vec<TopicSubscription>, Misunderstood>, String>;

async fn over_http(channel: &HttpChannel) -> Answered {
    let request = Request::get(PATH).header(header::CONTENT_TYPE, "application/json");
    let request = request.body(Bytes::new()).map_err(|error| error.to_string())?;
    let answer = channel.ask(request).await.map_err(|error| error.to_string())?;
    match answer.status() {
        StatusCode::OK => Ok(read(answer.body())),
        StatusCode::NOT_FOUND => Ok(Ok(Vec::new())),
        status => {
            let body = String::from_utf8_lossy(answer.body());
            tracing::error!(
                "the application answers {PATH} with {}, and counts as one that subscribes to \
                 nothing: {body}",
                status.as_u16()
            );
            Ok(Ok(Vec::new()))
        }
    }
}

/// What a body says.
fn read(body: &[u8]) -> Result<Vec<TopicSubscription>, Misunderstood> {
    if body.is_empty() {
        return Ok(Vec::new());
    }
    let named: Option<Vec<Option<Named>>> =
        any_case::from_slice(body).map_err(|error| Misunderstood(error.to_string()))?;
    let mut subscriptions = Vec::new();
    for named in named.unwrap_or_default() {
        let subscription = named.unwrap_or_default().subscription().map_err(Misunderstood)?;
        if subscription.routes.0.is_empty() {
            let TopicSubscription { pubsub, topic, .. } = subscription;
            tracing::warn!(pubsub, topic, "a subscription of the application has no route");
            continue;
        }
        subscriptions.push(subscription);
    }
    Ok(subscriptions)
}

async fn over_grpc(callbacks: &Callbacks) -> Answered {
    let listed = match callbacks.list_topic_subscriptions().await {
        Ok(listed) => listed.subscriptions,
        Err(status) if status.code() == Code::Unimplemented => return Ok(Ok(Vec::new())),
        Err(status) => return Err(format!("{:?}: {}", status.code(), status.message())),
    };
    let subscriptions: Result<_, _> = listed.into_iter().map(listed_one).collect();
    Ok(subscriptions.map_err(Misunderstood))
}

fn listed_one(listed: pb::TopicSubscription) -> Result<TopicSubscription, String> {
    let given = listed.routes.unwrap_or_default();
    let rules = given.rules.iter().map(|rule| (rule.r#match.as_str(), rule.path.as_str()));
    let mut routes = routes(rules, &given.default)?;
    if routes.0.is_empty() {
        // The application knows by the topic what to do.
        routes = crate::messaging::Routes::to("");
    }
    let bulk = listed.bulk_subscribe.unwrap_or_default();
    let bulk = bulk_of(bulk.enabled, bulk.max_messages_count, bulk.max_await_duration_ms);
    Ok(TopicSubscription {
        pubsub: listed.pubsub_name,
        topic: listed.topic,
        metadata: listed.metadata,
        routes,
        dead_letter_topic: listed.dead_letter_topic,
        gathering: gathering(&bulk),
        origin: Origin::Programmatic,
    })
}

/// How an application wants several at a time. What is below zero counts as not told.
fn bulk_of(enabled: bool, most: i32, longest_ms: i32) -> BulkSubscribe {
    BulkSubscribe {
        enabled,
        max_messages_count: most.try_into().unwrap_or(0),
        max_await_duration_ms: longest_ms.try_into().unwrap_or(0),
    }
}

// === impl Named ===

impl Named {
    fn subscription(self) -> Result<TopicSubscription, String> {
        let given = self.routes.unwrap_or_default();
        let rules = given.rules.unwrap_or_default();
        let rules = rules.iter().map(|rule| {
            (rule.r#match.as_deref().unwrap_or_default(), rule.path.as_deref().unwrap_or_default())
        });
        let default = given.default.filter(|default| !default.is_empty());
        let default = default.or(self.route).unwrap_or_default();
        let bulk = self.bulk_subscribe.unwrap_or_default();
        let bulk = bulk_of(
            bulk.enabled.unwrap_or_default(),
            bulk.max_messages_count.unwrap_or_default(),
            bulk.max_await_duration_ms.unwrap_or_default(),
        );
        Ok(TopicSubscription {
            pubsub: self.pubsub.unwrap_or_default(),
            topic: self.topic.unwrap_or_default(),
            metadata: self.metadata.unwrap_or_default(),
            routes: routes(rules, &default)?,
            dead_letter_topic: self.dead_letter_topic.unwrap_or_default(),
            gathering: gathering(&bulk),
            origin: Origin::Programmatic,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_routes_are_read() {
        let read = read(
            br#"[{"pubsubname":"bus","topic":"a","route":"/a","metadata":{"rawPayload":"true"}},
                {"pubsubname":"bus","topic":"b","deadLetterTopic":"dead","route":"/unused",
                 "routes":{"rules":[{"match":"event.type == 'x'","path":"/x"}],"default":"/b"},
                 "bulkSubscribe":{"enabled":true,"maxMessagesCount":7,"maxAwaitDurationMs":50}},
                {"pubsubname":"bus","topic":"none"}]"#,
        )
        .unwrap();
        let [a, b] = &read[..] else { panic!("{read:?}") };
        assert_eq!((a.topic.as_str(), a.is_raw()), ("a", Ok(true)));
        assert_eq!((b.dead_letter_topic.as_str(), b.routes.0.len()), ("dead", 2));
        assert_eq!(b.routes.0[0].condition.as_ref().unwrap().text(), "event.type == 'x'");
        assert_eq!(b.routes.0[1].path, "/b");
        let gathering = b.gathering.unwrap();
        assert_eq!((gathering.most, gathering.longest), (7, Duration::from_millis(50)));
    }

    #[test]
    fn a_condition_of_blanks_is_none() {
        let read = read(
            br#"[{"pubsubname":"b","topic":"t","routes":{"rules":[{"match":" ","path":"/p"}]}}]"#,
        );
        assert_eq!(read.unwrap()[0].routes.0[0].condition, None);
    }

    #[test]
    fn names_are_read_in_any_case() {
        // As Dapr's extension for Spring Boot writes them.
        let read = read(
            br#"[{"pubsubName":"bus","topic":"a","routes":{"Rules":[],"default":"/a"},
                 "metadata":{"rawPayload":"true"},"bulkSubscribe":{"Enabled":true}}]"#,
        )
        .unwrap();
        assert_eq!((&*read[0].pubsub, &*read[0].routes.0[0].path), ("bus", "/a"));
        assert!(read[0].is_raw() == Ok(true) && read[0].gathering.is_some());
    }

    #[test]
    fn nothing_is_read_of_what_is_wrong_in_part() {
        assert_eq!(read(b""), Ok(Vec::new()));
        assert_eq!(read(b"null"), Ok(Vec::new()));
        assert_eq!(read(b" \n"), Ok(Vec::new()));
        assert_eq!(read(b"[null]"), Ok(Vec::new()));
        assert_eq!(read(b"[] and more"), Ok(Vec::new()));
        for body in [
            "{",
            "{}",
            r#"[{"topic":7}]"#,
            r#"[{"metadata":{"rawPayload":true}}]"#,
            r#"[{"pubsubname":"b","topic":"t","routes":{"rules":[{"match":"event.","path":"/"}]}}]"#,
        ] {
            assert!(read(body.as_bytes()).is_err(), "{body}");
        }
    }
}
