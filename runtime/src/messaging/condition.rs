//! The conditions of routing rules, in CEL: expressions of which `event` is the one variable.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};

use cel::objects::Key;
use cel::parser::Expression;
use cel::{Context, Env, Program, Value};

use super::{Event, expression, presence};
use crate::api::json::readable;

/// The one variable.
const EVENT: &str = "event";

/// The stack on which an expression is parsed, and evaluated where it has more than a few operators,
/// in bytes: what is made for all of CEL takes much of it for each bracket and each operator.
const LARGE_STACK: usize = 64 << 20;

/// How many operators an expression has that is evaluated on the stack of whoever asks.
const FEW_STEPS: usize = 48;

/// What brings a variable of its own along.
const MACROS: [&str; 6] = [".all(", ".exists(", ".exists_one(", ".existsOne(", ".map(", ".filter("];

/// Names that mean types.
const TYPES: [&str; 11] =
    ["bool", "int", "uint", "double", "string", "bytes", "list", "map", "null_type", "type", "dyn"];

/// An expression that is true of some events.
#[derive(Debug, Clone)]
pub struct Condition {
    text: String,
    expression: Arc<Expression>,
    /// It needs a stack of its own.
    is_deep: bool,
}

/// Why a text is no condition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadCondition(String);

/// An event as conditions see it.
pub(crate) struct Seen(Value);

// === impl Condition ===

impl Condition {
    /// The expression, checked as far as it can be without an event.
    pub fn new(text: &str) -> Result<Self, BadCondition> {
        let steps = expression::bounded(text).map_err(BadCondition)?;
        let compiled = on_large_stack(|| guarded(|| Program::compile(text)));
        let compiled = compiled.map_err(BadCondition)?;
        let program = compiled.map_err(|errors| BadCondition(one_line(&errors.to_string())))?;
        let references = program.references();
        let names = references.variables();
        // Variables of macros are among them.
        let has_own = MACROS.iter().any(|name| text.contains(name));
        let strange = names.iter().find(|name| **name != EVENT && !TYPES.contains(name));
        if let Some(name) = strange.filter(|_| !has_own) {
            return Err(BadCondition(format!("it names `{name}`, and there is `{EVENT}` alone")));
        }
        let (text, is_deep) = (text.to_owned(), steps > FEW_STEPS);
        let expression = program.expression().clone();
        let expression =
            on_large_stack(|| Ok(presence::lenient(expression))).map_err(BadCondition)?;
        Ok(Self { text, expression: Arc::new(expression), is_deep })
    }

    /// The expression, as it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it is true of the event. The error says why that cannot be told.
    pub(crate) fn is_true_of(&self, event: &Seen) -> Result<bool, String> {
        if self.is_deep { on_large_stack(|| self.evaluated(event)) } else { self.evaluated(event) }
    }

    fn evaluated(&self, event: &Seen) -> Result<bool, String> {
        static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));
        let mut context = Context::with_env(ENVIRONMENT.clone());
        context.add_variable_from_value(EVENT, event.0.clone());
        match guarded(|| context.resolve(&self.expression))? {
            Ok(Value::Bool(truth)) => Ok(truth),
            Ok(other) => Err(format!("`{}` is no boolean but {}", self.text, other.type_of())),
            Err(error) => Err(format!("`{}`: {error}", self.text)),
        }
    }
}

/// The same text is the same condition.
impl PartialEq for Condition {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Condition {}

// === impl Seen ===

impl Seen {
    /// An event with all its attributes. Numbers are doubles, as in Dapr.
    pub(crate) fn event(event: &Event) -> Self {
        let mut fields: HashMap<Key, Value> =
            event.fields.iter().map(|(name, value)| (key(name), value_of(value))).collect();
        if let Some(data) = &event.data {
            fields.insert(key("data"), Value::Bytes(Arc::new(data.to_vec())));
        }
        Self(fields.into())
    }

    /// A message in no envelope, as conditions of bulk subscriptions see it.
    pub(crate) fn raw(data: &[u8]) -> Self {
        Self(Value::String(Arc::new(readable(data).into_owned())))
    }
}

/// What comes of work that needs more stack than a task has.
fn on_large_stack<T: Send>(work: impl FnOnce() -> Result<T, String> + Send) -> Result<T, String> {
    std::thread::scope(|threads| {
        let thread = std::thread::Builder::new().stack_size(LARGE_STACK);
        let thread = thread.spawn_scoped(threads, work);
        let thread = thread.map_err(|error| format!("there is no thread for it: {error}"))?;
        thread.join().unwrap_or_else(|_| Err("it cannot be evaluated".to_owned()))
    })
}

/// What comes of foreign code that reads what an application wrote: a panic there is an error of
/// this one expression.
fn guarded<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|_| "it cannot be evaluated".to_owned())
}

/// Errors of the parser point into the text on lines of their own.
fn one_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().trim().to_owned()
}

fn key(name: &str) -> Key {
    Key::String(Arc::new(name.to_owned()))
}

fn value_of(json: &serde_json::Value) -> Value {
    use serde_json::Value as Json;

    match json {
        Json::Null => Value::Null,
        Json::Bool(truth) => Value::Bool(*truth),
        Json::Number(number) => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        Json::String(text) => Value::String(Arc::new(text.clone())),
        Json::Array(items) => Value::List(Arc::new(items.iter().map(value_of).collect())),
        Json::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| (key(name), value_of(value)));
            fields.collect::<HashMap<_, _>>().into()
        }
    }
}

#[cfg(test)]
mod tests {
    use replug_component::pubsub::Message;

    use super::*;
    use crate::messaging::Form;

    fn of(condition: &str, event: &'static str) -> Result<bool, String> {
        let message = Message { data: event.into(), ..Message::default() };
        let event = Event::read(&message, Form::Alone { raw: false }, "bus", "orders").unwrap();
        Condition::new(condition).unwrap().is_true_of(&Seen::event(&event))
    }

    const ORDER: &str = r#"{"type":"order.v2","data":{"amount":12,"size":"big","tags":["a","b"],
        "customer":{"name":"Ada"}},"time":"2026-01-02T03:04:05Z"}"#;

    #[test]
    fn conditions_see_attributes_and_data() {
        for (condition, expected) in [
            (r#"event.type == "order.v2""#, true),
            ("event.type == 'order.v1' || event.data.size == 'big'", true),
            ("event.data.amount > 10", true),
            ("event.data.amount == 12", true),
            ("event.data.amount < 10.5", false),
            ("int(event.data.amount) % 2 == 0", true),
            ("event.data.customer.name.startsWith('A')", true),
            ("event.type.matches('^order\\\\.v[0-9]+$')", true),
            ("has(event.data.missing)", false),
            ("event.data.tags.exists(tag, tag == 'b')", true),
            ("'a' in event.data.tags && size(event.data.tags) == 2", true),
            ("event.data['size'] in ['big', 'huge'] ? true : false", true),
            ("timestamp(event.time) > timestamp('2025-01-01T00:00:00Z')", true),
            ("type(event.data.size) == string", true),
        ] {
            assert_eq!(of(condition, ORDER), Ok(expected), "{condition}");
        }
    }

    #[test]
    fn what_has_no_fields_has_none_of_any_name() {
        for data in ["\"text\"", "7", "true", "null", "{}"] {
            let event: &'static str = format!("{{\"type\":\"a\",\"data\":{data}}}").leak();
            for (condition, expected) in [
                ("has(event.data.vip)", false),
                ("!has(event.data.vip) && event.type == 'a'", true),
                ("[event.data].exists(one, has(one.vip))", false),
                ("{'of': has(event.data.vip)}.of", false),
            ] {
                assert_eq!(of(condition, event), Ok(expected), "{condition} of {data}");
            }
            assert!(of("has(event.missing.vip)", event).is_err());
        }
        assert!(of("has(event.data.vip)", r#"{"data":[1]}"#).is_err());
        assert_eq!(of("has(event.data.vip.x)", r#"{"data":{"vip":1}}"#), Ok(false));
        assert_eq!(of("has(event.data.vip.x)", r#"{"data":{"vip":{"x":1}}}"#), Ok(true));
    }

    #[test]
    fn what_cannot_be_told_is_an_error() {
        for condition in ["event.missing == 1", "event.data.amount", "event.type > 7", "1/0 == 1"] {
            assert!(of(condition, ORDER).is_err(), "{condition}");
        }
    }

    #[test]
    fn what_is_no_expression_is_refused() {
        for text in ["event.type ==", "((", "order.type == 'x'", "'", "\u{0}", "event.type === 1"] {
            let refused = Condition::new(text).unwrap_err();
            assert!(!refused.to_string().is_empty() && !refused.to_string().contains('\n'));
        }
    }

    #[test]
    fn the_deepest_expressions_are_evaluated_on_the_stack_of_a_task() {
        let deepest = expression::DEEPEST;
        let mut expressions = vec![
            format!("{}1{}==1", "(".repeat(deepest), ")".repeat(deepest)),
            format!("{}1{}==[]", "[".repeat(deepest), "]".repeat(deepest)),
            format!("{}true", "true?true:".repeat(deepest)),
        ];
        // On the one side of the bound and on the other.
        for steps in [FEW_STEPS - 2, expression::MOST_STEPS - 2] {
            expressions.extend([
                format!("{}true", "!".repeat(steps)),
                format!("{}true", "true&&".repeat(steps)),
                format!("{}true", "true||".repeat(steps)),
                format!("{}1==1", "1-".repeat(steps)),
                format!("event{}==1", ".a".repeat(steps)),
            ]);
        }
        let run = move || {
            for text in expressions {
                let condition = Condition::new(&text);
                let condition = condition.unwrap_or_else(|error| panic!("{text}: {error}"));
                let message = Message { data: "{}".into(), ..Message::default() };
                let event =
                    Event::read(&message, Form::Alone { raw: false }, "bus", "orders").unwrap();
                // Whatever comes of it, it comes back.
                let _ = condition.is_true_of(&Seen::event(&event));
            }
        };
        // What a thread of the runtime has.
        std::thread::Builder::new().stack_size(2 << 20).spawn(run).unwrap().join().unwrap();
    }
}
