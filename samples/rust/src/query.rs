//! Searches JSON values: filters, sorting, pages.
//!
//! It looks at every entry, which is fair for some thousands. A store that is searched a lot would
//! keep an index.

use std::cmp::Ordering;

use replug_sdk::component::Error;
use replug_sdk::component::state::{Query, SortOrder};
use serde_json::{Map, Value};

use crate::batch::Entry;
use crate::place::Place;

/// A query that was read and found good.
pub struct Search<'q> {
    /// All of them have to hold.
    conditions: Vec<Condition<'q>>,
    sort: Vec<(&'q str, SortOrder)>,
    /// How many of what is found to leave out at the beginning.
    offset: usize,
    /// How many to give at the most.
    limit: usize,
}

/// What may be true of a value. A path leads through objects, its parts separated by dots; where
/// it leads nowhere, it finds what equals nothing, not even null.
enum Condition<'q> {
    /// What the path leads to is one of these: `EQ` and `IN`.
    Is(&'q str, Vec<Place<'q>>),
    /// It is not this: `NEQ`.
    IsNot(&'q str, Place<'q>),
    /// It is of the bound's kind, and so to it: `GT`, `GTE`, `LT`, `LTE`.
    Compares(&'q str, fn(Ordering) -> bool, Place<'q>),
    /// `AND`.
    All(Vec<Condition<'q>>),
    /// `OR`.
    Any(Vec<Condition<'q>>),
}

impl<'q> Search<'q> {
    /// Reads a query; says what is wrong with it where something is.
    pub fn new(query: &'q Query) -> Result<Self, Error> {
        let Query { filter, sort, page } = query;
        let conditions = filter.iter().map(|(operator, operand)| condition(operator, operand));
        let offset = if page.token.is_empty() { Ok(0) } else { page.token.parse() };
        Ok(Self {
            conditions: conditions.collect::<Result<_, _>>()?,
            sort: sort.iter().map(|sorting| (sorting.key.as_str(), sorting.order)).collect(),
            offset: offset.map_err(|_| {
                Error::Invalid(format!("`{}` is no page token of this store", page.token))
            })?,
            limit: match page.limit {
                0 => usize::MAX,
                limit => usize::try_from(limit).unwrap_or(usize::MAX),
            },
        })
    }

    /// The page that is asked for, and the token of the next; empty: that was all. Values that are
    /// not JSON are never found. What is equal by all sort keys goes by its key.
    pub fn page(
        &self,
        entries: impl IntoIterator<Item = (String, Entry)>,
    ) -> (Vec<(String, Entry)>, String) {
        let mut found = Vec::new();
        for (key, entry) in entries {
            if let Ok(document) = serde_json::from_slice::<Value>(&entry.value.data)
                && self.conditions.iter().all(|condition| condition.holds(&document))
            {
                found.push((document, key, entry));
            }
        }
        found.sort_unstable_by(|(a, a_key, _), (b, b_key, _)| {
            let by_sort = |&(path, order): &(&str, SortOrder)| {
                let up = Place::at(a, path).cmp(&Place::at(b, path));
                if order == SortOrder::Descending { up.reverse() } else { up }
            };
            let unequal = self.sort.iter().map(by_sort).find(|order| order.is_ne());
            unequal.unwrap_or_else(|| a_key.cmp(b_key))
        });
        let end = self.offset.saturating_add(self.limit);
        let token = if end < found.len() { end.to_string() } else { String::new() };
        let found = found.into_iter().skip(self.offset).take(self.limit);
        (found.map(|(_, key, entry)| (key, entry)).collect(), token)
    }
}

impl Condition<'_> {
    fn holds(&self, document: &Value) -> bool {
        match self {
            Self::Is(path, choices) => choices.contains(&Place::at(document, path)),
            Self::IsNot(path, unwanted) => Place::at(document, path) != *unwanted,
            Self::Compares(path, holds, bound) => {
                let place = Place::at(document, path);
                place.is_kind_of(bound) && holds(place.cmp(bound))
            }
            Self::All(conditions) => conditions.iter().all(|one| one.holds(document)),
            Self::Any(conditions) => conditions.iter().any(|one| one.holds(document)),
        }
    }
}

fn condition<'q>(operator: &str, operand: &'q Value) -> Result<Condition<'q>, Error> {
    let compares = |holds| {
        let (path, bound) = only_member(operator, operand)?;
        if !(bound.is_number() || bound.is_string()) {
            return Err(Error::Invalid(format!("{operator} takes a number or a text")));
        }
        Ok(Condition::Compares(path, holds, bound.into()))
    };
    match operator {
        "EQ" => only_member(operator, operand)
            .map(|(path, wanted)| Condition::Is(path, vec![wanted.into()])),
        "NEQ" => only_member(operator, operand)
            .map(|(path, unwanted)| Condition::IsNot(path, unwanted.into())),
        "IN" => {
            let (path, choices) = only_member(operator, operand)?;
            let choices = a_list(operator, choices)?;
            Ok(Condition::Is(path, choices.iter().map(Place::from).collect()))
        }
        "GT" => compares(Ordering::is_gt),
        "GTE" => compares(Ordering::is_ge),
        "LT" => compares(Ordering::is_lt),
        "LTE" => compares(Ordering::is_le),
        "AND" => conditions(operator, operand).map(Condition::All),
        "OR" => conditions(operator, operand).map(Condition::Any),
        _ => Err(Error::Invalid(format!(
            "operator {operator} is not one of EQ, NEQ, IN, GT, GTE, LT, LTE, AND, OR"
        ))),
    }
}

fn conditions<'q>(operator: &str, operand: &'q Value) -> Result<Vec<Condition<'q>>, Error> {
    let read = |one| {
        let (operator, operand) = only_member("a condition", one)?;
        condition(operator, operand)
    };
    a_list(operator, operand)?.iter().map(read).collect()
}

fn a_list<'q>(operator: &str, operand: &'q Value) -> Result<&'q [Value], Error> {
    let list = operand.as_array().map(Vec::as_slice);
    list.ok_or_else(|| Error::Invalid(format!("{operator} takes a list")))
}

fn only_member<'q>(operator: &str, operand: &'q Value) -> Result<(&'q str, &'q Value), Error> {
    let members = operand.as_object().filter(|members| members.len() == 1);
    let only = members.and_then(|members: &Map<_, _>| members.iter().next());
    let only = only.map(|(name, value)| (name.as_str(), value));
    only.ok_or_else(|| Error::Invalid(format!("{operator} takes an object of one key")))
}

#[cfg(test)]
mod tests {
    use replug_sdk::component::state::{Page, Sorting};
    use serde_json::json;

    use super::*;
    use crate::record;

    fn entries() -> Vec<(String, Entry)> {
        let people = [
            ("a", r#"{"person": {"org": "A", "id": 3}, "tags": [1, 2]}"#),
            ("b", r#"{"person": {"org": "B", "id": 1.5}, "off": true}"#),
            ("c", r#"{"person": {"org": "A", "id": 2}, "off": null}"#),
            ("d", r#"{"person": "none", "off": "x"}"#),
            ("e", "not JSON"),
        ];
        let entry = |data: &'static str| Entry {
            value: record::Value { data: data.into(), content_type: String::new() },
            version: 1,
        };
        people.map(|(key, data)| (key.to_owned(), entry(data))).into()
    }

    fn page(query: &Query) -> Result<(String, String), Error> {
        // Backwards, as nothing promises their order.
        let (found, token) = Search::new(query)?.page(entries().into_iter().rev());
        Ok((found.into_iter().map(|(key, _)| key).collect(), token))
    }

    /// The keys of what a filter finds.
    fn found(filter: Value) -> Result<String, Error> {
        let Value::Object(filter) = filter else { panic!("a filter is an object") };
        page(&Query { filter, ..Query::default() }).map(|(keys, _)| keys)
    }

    #[test]
    fn a_filter_finds_the_json_values_that_it_is_true_of() {
        for (filter, keys) in [
            (json!({}), "abcd"),
            (json!({ "EQ": { "person.org": "A" } }), "ac"),
            (json!({ "EQ": { "person.id": 3.0 } }), "a"),
            (json!({ "EQ": { "person.id": "3" } }), ""),
            (json!({ "EQ": { "tags": [1, 2.0] } }), "a"),
            (json!({ "EQ": { "off": null } }), "c"),
            (json!({ "NEQ": { "off": null } }), "abd"),
            (json!({ "IN": { "person.id": [1.5, 2, 17] } }), "bc"),
            (json!({ "IN": { "person.id": [] } }), ""),
            (json!({ "GT": { "person.id": 2 } }), "a"),
            (json!({ "GTE": { "person.id": 2 } }), "ac"),
            (json!({ "LT": { "person.id": 2 } }), "b"),
            (json!({ "LTE": { "person.id": 2 } }), "bc"),
            (json!({ "GT": { "person.org": "A" } }), "b"),
            (json!({ "LT": { "off": 5 } }), ""),
            (json!({ "OR": [{ "EQ": { "off": true } }, { "EQ": { "person": "none" } }] }), "bd"),
            (json!({ "AND": [{ "GT": { "person.id": 1 } }, { "LT": { "person.id": 3 } }] }), "bc"),
            (json!({ "EQ": { "person.org": "A" }, "GT": { "person.id": 2 } }), "a"),
        ] {
            assert_eq!(found(filter.clone()).unwrap(), keys, "{filter}");
        }
    }

    #[test]
    fn a_wrong_filter_is_refused_with_what_would_be_right() {
        for (filter, says) in [
            (json!({ "LIKE": { "a": 1 } }), "operator LIKE is not one of EQ, "),
            (json!({ "EQ": { "a": 1, "b": 2 } }), "EQ takes an object of one key"),
            (json!({ "IN": { "a": 1 } }), "IN takes a list"),
            (json!({ "GT": { "a": null } }), "GT takes a number or a text"),
            (json!({ "AND": { "EQ": { "a": 1 } } }), "AND takes a list"),
            (json!({ "OR": [{}] }), "a condition takes an object of one key"),
        ] {
            match found(filter) {
                Err(Error::Invalid(said)) => assert!(said.starts_with(says), "{said}"),
                other => panic!("{says}: {other:?}"),
            }
        }
    }

    #[test]
    fn what_is_found_is_sorted_by_each_key_in_turn_and_then_by_its_own() {
        let by = |keys: &[(&str, SortOrder)]| {
            let sorting = |&(key, order): &(&str, _)| Sorting { key: key.into(), order };
            let sort = keys.iter().map(sorting).collect();
            page(&Query { sort, ..Query::default() }).unwrap().0
        };
        let (up, down) = (SortOrder::Ascending, SortOrder::Descending);
        assert_eq!(by(&[("person.id", up)]), "dbca");
        assert_eq!(by(&[("person.id", down)]), "acbd");
        assert_eq!(by(&[("person.org", down)]), "bacd");
        assert_eq!(by(&[("person.org", down), ("person.id", up)]), "bcad");
        assert_eq!(by(&[("off", up)]), "acbd");
    }

    #[test]
    fn pages_come_one_after_the_other() {
        let at = |limit, token: &str| {
            page(&Query { page: Page { limit, token: token.into() }, ..Query::default() })
        };
        let (keys, token) = at(3, "").unwrap();
        assert_eq!(keys, "abc");
        let last = ("d".to_owned(), String::new());
        assert_eq!(at(3, &token).unwrap(), last);
        assert_eq!(at(4, "").unwrap(), ("abcd".to_owned(), String::new()));
        assert_eq!(at(1, "100").unwrap().0, "");
        assert!(matches!(at(1, "-1"), Err(Error::Invalid(said)) if said.contains("no page token")));
    }
}
