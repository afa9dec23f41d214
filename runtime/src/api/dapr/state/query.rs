//! Dapr's query language: JSON to a [`Query`]. What the operators of the filter mean is the
//! store's business.

use replug_component::state::{Page, Query, SortOrder, Sorting};
use serde_json::Value;

use crate::api::dapr::json::{JsonError, Object, first_value};

/// Reads a query. Names match in any case; a part that is absent asks for nothing.
pub(super) fn parsed(text: &[u8]) -> Result<Query, JsonError> {
    let mut query = Object::from(first_value(text)?, "Query")?;
    let filter = query.map("filter")?;
    let sort = query
        .list("sort", "[]query.Sorting")?
        .into_iter()
        .map(sorting)
        .collect::<Result<_, _>>()?;
    let page = match query.take("page") {
        Some(page) => self::page(page)?,
        None => Page::default(),
    };
    Ok(Query { filter, sort, page })
}

fn sorting(value: Value) -> Result<Sorting, JsonError> {
    let mut sorting = Object::from(value, "Sorting")?;
    let key = sorting.text("key")?.unwrap_or_default();
    let order = sorting.text("order")?.unwrap_or_default();
    let descending = order.eq_ignore_ascii_case("desc");
    Ok(Sorting {
        key,
        order: if descending { SortOrder::Descending } else { SortOrder::Ascending },
    })
}

fn page(value: Value) -> Result<Page, JsonError> {
    let mut page = Object::from(value, "Pagination")?;
    let limit = u64::try_from(page.number("limit")?).unwrap_or(0);
    Ok(Page { limit, token: page.text("token")?.unwrap_or_default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_has_a_filter_an_order_and_a_page() {
        let query = parsed(
            br#"{"filter":{"EQ":{"state":"CA"}},
                 "sort":[{"key":"id","order":"DESC"},{"key":"name"}],
                 "page":{"limit":3,"token":"6"}}"#,
        )
        .unwrap();
        assert_eq!(query.filter["EQ"]["state"], "CA");
        assert_eq!(query.sort[0].order, SortOrder::Descending);
        assert_eq!(query.sort[1].order, SortOrder::Ascending);
        assert_eq!(query.page, Page { limit: 3, token: "6".to_owned() });
        assert_eq!(parsed(b"{}").unwrap(), Query::default());
        assert!(parsed(b"").is_err());
        assert!(parsed(br#"{"sort":{}}"#).is_err());
    }
}
