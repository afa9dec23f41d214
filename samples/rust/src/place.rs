//! Where a JSON value stands among others: what a query compares by.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::mem::discriminant;

use serde_json::Value;

/// A JSON value in an order of all of them: by its kind first, then by what it is worth.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub enum Place<'v> {
    /// There is no value. No value is equal to that.
    Missing,
    Null,
    Bool(bool),
    Number(Number),
    Text(&'v str),
    List(Vec<Place<'v>>),
    Object(BTreeMap<&'v str, Place<'v>>),
}

impl<'v> Place<'v> {
    /// The place of what a path leads to: names of members, separated by dots.
    pub fn at(document: &'v Value, path: &str) -> Self {
        let found = path.split('.').try_fold(document, |value, name| value.as_object()?.get(name));
        found.map_or(Self::Missing, Self::from)
    }

    /// Whether both are numbers, or both are texts, and so on.
    pub fn is_kind_of(&self, other: &Self) -> bool {
        discriminant(self) == discriminant(other)
    }
}

impl<'v> From<&'v Value> for Place<'v> {
    fn from(value: &'v Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Number(number) => Self::Number(number.into()),
            Value::String(text) => Self::Text(text),
            Value::Array(list) => Self::List(list.iter().map(Self::from).collect()),
            Value::Object(members) => Self::Object(
                members.iter().map(|(name, value)| (name.as_str(), value.into())).collect(),
            ),
        }
    }
}

/// A JSON number, which compares by what it is worth: 1 is 1.0.
pub struct Number {
    /// The nearest real number. Never NaN, which JSON does not have.
    real: f64,
    /// The number itself if it is an integer; what is left of it without its fraction if not.
    /// Large integers may have the same nearest real number, and are told apart by this.
    whole: i128,
}

impl From<&serde_json::Number> for Number {
    fn from(number: &serde_json::Number) -> Self {
        let real = number.as_f64().unwrap_or_default();
        // Two reals that are the same become the same, however they are rounded.
        #[allow(clippy::cast_possible_truncation)]
        let whole = number.as_i128().unwrap_or(real as i128);
        Self { real, whole }
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        // Neither is NaN.
        let by_real = self.real.partial_cmp(&other.real).unwrap_or(Ordering::Equal);
        by_real.then(self.whole.cmp(&other.whole))
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Number {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_in_order_by_kind_and_then_by_worth() {
        let document: Value = serde_json::from_str(
            r#"[null, false, true, -1.5, -1, 0, 1.5, 9007199254740992.0, 9007199254740993,
                18446744073709551615, 1e300, "", "a", "b", [], [1], [1, 2], [2], {}, {"a": 1}]"#,
        )
        .unwrap();
        let Place::List(places) = Place::from(&document) else { panic!("it is a list") };
        assert!(Place::Missing < places[0]);
        for pair in places.windows(2) {
            assert!(pair[0] < pair[1]);
        }
    }

    #[test]
    fn a_number_is_equal_to_itself_however_it_is_written() {
        let same: Value = serde_json::from_str("[1, 1.0, 10e-1]").unwrap();
        let zero: Value = serde_json::from_str("[0, 0.0, -0.0]").unwrap();
        for value in [same, zero] {
            let Place::List(places) = Place::from(&value) else { panic!("it is a list") };
            assert!(places.iter().all(|place| *place == places[0]));
        }
    }
}
