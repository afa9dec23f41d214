//! Dapr's query language over JSON values, read once into a [`Plan`], which a store evaluates or
//! translates. One meaning for every built-in store:
//!
//! - A path names a member of nested objects: `person.org`. It does not go into arrays.
//! - Values compare within their type: `5` is not `"5"`. Texts compare by code point.
//! - A missing member and a JSON null are the same, and `NEQ` is whatever `EQ` is not.
//! - A value that is not JSON is met by no filter; without a filter every value is.
//! - Sorting goes by type first (missing, false, true, numbers, texts, the rest), then by value,
//!   and at the end by the entry's key, so that pages neither overlap nor leave out.

mod evaluate;
mod filter;
mod number;

use replug_component::Error;
use replug_component::state::{Query, SortOrder};

pub(super) use evaluate::{Candidate, select};
pub(super) use filter::{Bound, Comparison, Filter, Path, Scalar};
pub(super) use number::Number;

/// A query that was read and found good.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Plan {
    /// Which values are asked for; none: all.
    pub(super) filter: Option<Filter>,
    /// By what they are sorted, before their keys.
    pub(super) sort: Vec<(Path, SortOrder)>,
    /// How many of them to leave out at the beginning.
    pub(super) offset: u64,
    /// How many to give at the most; none: all.
    pub(super) limit: Option<u64>,
}

impl Plan {
    /// Reads a query. Says what is wrong with it where something is.
    pub(super) fn new(query: &Query) -> Result<Self, Error> {
        let sort = query.sort.iter().map(|sorting| Ok((Path::parse(&sorting.key)?, sorting.order)));
        let token = query.page.token.as_str();
        let offset = if token.is_empty() { Ok(0) } else { token.parse() };
        Ok(Self {
            filter: Filter::parse(&query.filter)?,
            sort: sort.collect::<Result<_, Error>>()?,
            offset: offset.map_err(|_| {
                Error::Invalid(format!("page token `{token}` is not one that this store gave"))
            })?,
            limit: Some(query.page.limit).filter(|limit| *limit > 0),
        })
    }

    /// The token after a page of `found` entries, when there is `more` to come. As in Dapr's
    /// stores it counts the entries so far.
    pub(super) fn token_after(&self, found: usize, more: bool) -> String {
        if more { (self.offset + found as u64).to_string() } else { String::new() }
    }
}
