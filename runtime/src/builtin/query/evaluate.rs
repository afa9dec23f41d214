//! A plan carried out in memory.

use std::cmp::{Ordering, Reverse};

use serde_json::Value;

use replug_component::state::SortOrder;

use super::{Bound, Comparison, Filter, Number, Path, Plan, Scalar};

/// An entry that a query may give.
pub(in crate::builtin) trait Candidate {
    /// Its key, by which entries are sorted that are equal otherwise.
    fn key(&self) -> &str;
    /// Its value.
    fn value(&self) -> &[u8];
}

/// The page that the plan asks for, and whether there are more entries after it; none where
/// `given_up` said so in between. It is asked before each entry.
pub(in crate::builtin) fn select<C: Candidate>(
    plan: &Plan,
    candidates: impl IntoIterator<Item = C>,
    mut given_up: impl FnMut() -> bool,
) -> Option<(Vec<C>, bool)> {
    let mut found: Vec<(Vec<Rank>, C)> = Vec::new();
    for candidate in candidates {
        if given_up() {
            return None;
        }
        if plan.filter.is_none() && plan.sort.is_empty() {
            found.push((Vec::new(), candidate));
            continue;
        }
        let document = serde_json::from_slice(candidate.value()).ok();
        let matches = plan.filter.as_ref().is_none_or(|filter| {
            document.as_ref().is_some_and(|document| matches(filter, document))
        });
        if matches {
            let document = document.unwrap_or(Value::Null);
            let ranks = plan.sort.iter().map(|(path, order)| rank(*order, member(&document, path)));
            found.push((ranks.collect(), candidate));
        }
    }
    found.sort_unstable_by(|(a, x), (b, y)| a.cmp(b).then_with(|| x.key().cmp(y.key())));
    let offset = usize::try_from(plan.offset).unwrap_or(usize::MAX);
    let limit = plan.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
    let more = found.len() > offset.saturating_add(limit);
    Some((found.into_iter().skip(offset).take(limit).map(|(_, c)| c).collect(), more))
}

fn member<'v>(document: &'v Value, path: &Path) -> Option<&'v Value> {
    path.parts().iter().try_fold(document, |value, name| value.as_object()?.get(name))
}

fn matches(filter: &Filter, document: &Value) -> bool {
    match filter {
        Filter::Is(path, values) => {
            let member = member(document, path);
            values.iter().any(|value| is(member, value))
        }
        Filter::IsNot(path, value) => !is(member(document, path), value),
        Filter::Compares(path, comparison, bound) => {
            let ordering = match (member(document, path), bound) {
                (Some(Value::Number(number)), Bound::Number(bound)) => {
                    Number::new(number).cmp(bound)
                }
                (Some(Value::String(text)), Bound::Text(bound)) => text.cmp(bound),
                _ => return false,
            };
            match comparison {
                Comparison::Greater => ordering == Ordering::Greater,
                Comparison::GreaterOrEqual => ordering != Ordering::Less,
                Comparison::Less => ordering == Ordering::Less,
                Comparison::LessOrEqual => ordering != Ordering::Greater,
            }
        }
        Filter::All(filters) => filters.iter().all(|filter| matches(filter, document)),
        Filter::Any(filters) => filters.iter().any(|filter| matches(filter, document)),
    }
}

fn is(member: Option<&Value>, scalar: &Scalar) -> bool {
    match (member, scalar) {
        (None | Some(Value::Null), Scalar::Null) => true,
        (Some(Value::Bool(member)), Scalar::Bool(value)) => member == value,
        (Some(Value::Number(member)), Scalar::Number(value)) => Number::new(member) == *value,
        (Some(Value::String(member)), Scalar::Text(value)) => member == value,
        _ => false,
    }
}

/// Where a member stands among others: by its type first, then by its value.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Missing,
    Bool(bool),
    Number(Number),
    Text(String),
    ListOrObject,
}

/// Where an entry stands by one sorting.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Up(Place),
    Down(Reverse<Place>),
}

fn rank(order: SortOrder, member: Option<&Value>) -> Rank {
    let place = match member {
        None | Some(Value::Null) => Place::Missing,
        Some(Value::Bool(value)) => Place::Bool(*value),
        Some(Value::Number(number)) => Place::Number(Number::new(number)),
        Some(Value::String(text)) => Place::Text(text.clone()),
        Some(Value::Array(_) | Value::Object(_)) => Place::ListOrObject,
    };
    match order {
        SortOrder::Ascending => Rank::Up(place),
        SortOrder::Descending => Rank::Down(Reverse(place)),
    }
}
