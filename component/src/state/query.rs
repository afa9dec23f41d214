//! What a state query asks for, and its answer.

use bytes::Bytes;
use serde_json::{Map, Value};

use crate::Metadata;

/// A search over stored JSON values, in Dapr's query language.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Query {
    /// Operators to operands: `{"EQ": {"person.org": "Dev Ops"}}`, `{"AND": [ … ]}`. Empty:
    /// everything matches.
    pub filter: Map<String, Value>,
    /// By what the results are sorted, the first key first.
    pub sort: Vec<Sorting>,
    /// Which part of the results is asked for.
    pub page: Page,
}

/// One key to sort by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sorting {
    /// The path of a value inside the stored JSON, parts separated by dots.
    pub key: String,
    /// Up or down.
    pub order: SortOrder,
}

/// Up or down.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SortOrder {
    /// The smallest first.
    #[default]
    Ascending,
    /// The largest first.
    Descending,
}

/// Which part of the results is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// How many results at the most; zero: all.
    pub limit: u64,
    /// [`QueryResponse::token`] of the page before; empty for the first.
    pub token: String,
}

/// What a query found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueryResponse {
    /// The entries, sorted as asked.
    pub items: Vec<QueryItem>,
    /// What to ask the next page with; empty after the last.
    pub token: String,
    /// Particulars of the store.
    pub metadata: Metadata,
}

/// One entry that a query found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueryItem {
    /// The key as stored.
    pub key: String,
    /// The value.
    pub data: Bytes,
    /// The value's etag.
    pub etag: Option<String>,
    /// Why the value could not be read; empty where it could.
    pub error: String,
    /// The value's content type; empty where the store does not know.
    pub content_type: String,
}
