//! Streams of topics.

use replug_proto::dapr::runtime::v1 as pb;

use super::pubsub::event;
use super::{metadata, setup};
use crate::compare::grpc::call::Group;
use crate::compare::grpc::stream::{Script, Step};

fn initial(pubsub: &str, topic: &str) -> Step {
    Step::Initial(to(pubsub, topic))
}

fn to(pubsub: &str, topic: &str) -> pb::SubscribeTopicEventsRequestInitialAlpha1 {
    pb::SubscribeTopicEventsRequestInitialAlpha1 {
        pubsub_name: pubsub.into(),
        topic: topic.into(),
        ..pb::SubscribeTopicEventsRequestInitialAlpha1::default()
    }
}

fn publish(topic: &str, data: &'static [u8], content_type: &str) -> Step {
    Step::Publish(event(topic, data, content_type))
}

pub(super) fn group() -> Group {
    use Step::{Answer, AnswerTo, Close, Comes, Ends, Neither, Nothing};
    let mut group = Group::new(setup("streams"));
    let mut script =
        |name: &'static str, steps: Vec<Step>| group.scripts.push(Script { name, steps });
    script("nothing asked", vec![Neither, Ends]);
    script("answered first", vec![AnswerTo("1"), Ends]);
    script("closed at once", vec![Close, Ends]);
    script("unknown pubsub", vec![initial("nobody", "t"), Ends]);
    script("empty pubsub", vec![initial("", "t"), Ends]);
    script("empty topic", vec![initial("bus", ""), Ends]);
    script("both empty", vec![initial("", ""), Ends]);
    script("not allowed", vec![initial("narrow", "other"), Ends]);
    script("asked twice", vec![initial("bus", "twice"), Comes, initial("bus", "twice"), Ends]);
    script("neither later", vec![initial("bus", "neither"), Comes, Neither, Ends]);
    script("closed", vec![initial("bus", "closed"), Comes, Close, Ends]);
    script(
        "an unknown id",
        vec![
            initial("bus", "ids"),
            Comes,
            AnswerTo("nobody"),
            publish("ids", b"{\"a\":1}", "application/json"),
            Comes,
            Answer(Some(0)),
            Nothing,
        ],
    );
    for (name, topic, status) in [
        ("handled", "handled", Some(0)),
        ("dropped", "dropped", Some(2)),
        ("no status", "none", None),
    ] {
        script(
            name,
            vec![
                initial("bus", topic),
                Comes,
                publish(topic, b"text", "text/plain"),
                Comes,
                Answer(status),
                Nothing,
            ],
        );
    }
    for (name, topic, status) in [("retried", "retried", 1), ("unknown status", "nine", 9)] {
        let mut asked = to("bus", topic);
        asked.dead_letter_topic = Some("dead".to_owned());
        script(
            name,
            vec![
                Step::Initial(asked),
                Comes,
                publish(topic, b"\xff", "application/octet-stream"),
                Comes,
                Answer(Some(status)),
                Nothing,
            ],
        );
    }
    let mut raw = to("bus", "raw");
    raw.metadata = metadata([("rawPayload", "true")]);
    let mut sent = event("raw", b"raw bytes", "text/plain");
    sent.metadata = metadata([("rawPayload", "true")]);
    script(
        "raw",
        vec![Step::Initial(raw), Comes, Step::Publish(sent), Comes, Answer(Some(0)), Nothing],
    );
    let mut nonsense = to("bus", "nonsense");
    nonsense.metadata = metadata([("rawPayload", "nonsense")]);
    script("raw nonsense", vec![Step::Initial(nonsense), Ends]);
    let mut large = event("own", b"1", "application/json");
    large.metadata = metadata([("cloudevent.type", "mine"), ("cloudevent.subject", "s")]);
    script(
        "own attributes",
        vec![initial("bus", "own"), Comes, Step::Publish(large), Comes, Answer(Some(0)), Nothing],
    );
    group.measured = true;
    group
}
