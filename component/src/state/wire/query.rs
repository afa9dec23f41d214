//! Queries and what they find.

use prost_types::Any;
use replug_proto::dapr::components::v1 as pb;
use serde_json::Value;

use super::{etag_from_wire, etag_to_wire};
use crate::Error;
use crate::state::{Page, Query, QueryItem, QueryRequest, QueryResponse, SortOrder, Sorting};

impl From<QueryRequest> for pb::QueryRequest {
    fn from(request: QueryRequest) -> Self {
        // An operand is its JSON text in an Any without a type, as Dapr sends it.
        let operand =
            |value: Value| Any { type_url: String::new(), value: value.to_string().into() };
        let sorting = |sorting: Sorting| pb::Sorting {
            key: sorting.key,
            order: match sorting.order {
                SortOrder::Ascending => pb::sorting::Order::Asc,
                SortOrder::Descending => pb::sorting::Order::Desc,
            }
            .into(),
        };
        let query = request.query;
        Self {
            query: Some(pb::Query {
                filter: query
                    .filter
                    .into_iter()
                    .map(|(name, value)| (name, operand(value)))
                    .collect(),
                sort: query.sort.into_iter().map(sorting).collect(),
                pagination: Some(pb::Pagination {
                    limit: i64::try_from(query.page.limit).unwrap_or(i64::MAX),
                    token: query.page.token,
                }),
            }),
            metadata: request.metadata,
        }
    }
}

impl TryFrom<pb::QueryRequest> for QueryRequest {
    type Error = Error;

    /// Fails where an operand is not JSON.
    fn try_from(request: pb::QueryRequest) -> Result<Self, Error> {
        let query = request.query.unwrap_or_default();
        let filter = query.filter.into_iter().map(|(name, operand)| {
            serde_json::from_slice(&operand.value)
                .map(|value| (name.clone(), value))
                .map_err(|error| Error::Invalid(format!("operand of {name} is not JSON: {error}")))
        });
        let filter = filter.collect::<Result<_, _>>()?;
        let sorting = |sorting: pb::Sorting| Sorting {
            order: match sorting.order() {
                pb::sorting::Order::Asc => SortOrder::Ascending,
                pb::sorting::Order::Desc => SortOrder::Descending,
            },
            key: sorting.key,
        };
        let page = query.pagination.unwrap_or_default();
        Ok(Self {
            query: Query {
                filter,
                sort: query.sort.into_iter().map(sorting).collect(),
                page: Page { limit: u64::try_from(page.limit).unwrap_or(0), token: page.token },
            },
            metadata: request.metadata,
        })
    }
}

impl From<QueryResponse> for pb::QueryResponse {
    fn from(response: QueryResponse) -> Self {
        let item = |item: QueryItem| pb::QueryItem {
            key: item.key,
            data: item.data,
            etag: etag_to_wire(item.etag),
            error: item.error,
            content_type: item.content_type,
        };
        Self {
            items: response.items.into_iter().map(item).collect(),
            token: response.token,
            metadata: response.metadata,
        }
    }
}

impl From<pb::QueryResponse> for QueryResponse {
    fn from(response: pb::QueryResponse) -> Self {
        let item = |item: pb::QueryItem| QueryItem {
            key: item.key,
            data: item.data,
            etag: etag_from_wire(item.etag),
            error: item.error,
            content_type: item.content_type,
        };
        Self {
            items: response.items.into_iter().map(item).collect(),
            token: response.token,
            metadata: response.metadata,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operand_travels_as_json_text_without_a_type() {
        let query = Query {
            filter: serde_json::from_str(r#"{"EQ":{"state":"CA"}}"#).unwrap(),
            ..Query::default()
        };
        let request = QueryRequest { query, ..QueryRequest::default() };
        let wire = pb::QueryRequest::from(request.clone());
        let operand = &wire.query.as_ref().unwrap().filter["EQ"];
        assert_eq!(
            (operand.type_url.as_str(), &operand.value[..]),
            ("", &br#"{"state":"CA"}"#[..])
        );
        assert_eq!(QueryRequest::try_from(wire).unwrap(), request);
    }
}
