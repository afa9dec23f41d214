//! The state routes over HTTP.

mod decode;
mod encode;

use http::header::{self, HeaderMap, HeaderValue};
use replug_component::state::DeleteRequest;

use super::answer::{Answer, add_metadata, no_content, ok};
use super::body::{DESERIALIZING, Unread, malformed};
use super::params::Params;
use super::{CX, Failure};
use crate::api::dapr::Dapr;
use crate::api::dapr::error::{ApiError, BODY_READ, Front, MALFORMED};
use crate::api::dapr::state::{Asked, key_required};

impl Dapr {
    pub(super) async fn http_get_state(
        &self,
        store: &str,
        key: &str,
        params: &Params,
    ) -> Result<Answer, Failure> {
        let store = self.store(store, Front::Http)?;
        let consistency = decode::consistency(params.first("consistency"));
        let got = store.get(&CX, key, consistency, params.metadata()).await?;
        if got.data.is_empty() {
            return Ok(no_content());
        }
        let mut answer = ok(got.data);
        if let Some(etag) = got.etag.and_then(|etag| HeaderValue::try_from(etag).ok()) {
            answer.headers_mut().insert(header::ETAG, etag);
        }
        add_metadata(&mut answer, got.metadata);
        Ok(answer)
    }

    pub(super) async fn http_save_state(
        &self,
        store: &str,
        params: &Params,
        body: &mut Unread,
    ) -> Result<Answer, Failure> {
        let store = self.store(store, Front::Http)?;
        let mut items = body.decoded(MALFORMED, "", decode::saves).await?;
        let metadata = params.metadata();
        for Asked { request: item, .. } in &mut items {
            if item.key.is_empty() {
                return Err(key_required(Front::Http).into());
            }
            item.key = store.stored(&item.key)?;
            item.metadata.extend(metadata.clone());
        }
        store.save_asked(&CX, items).await?;
        Ok(no_content())
    }

    pub(super) async fn http_delete_state(
        &self,
        store: &str,
        key: &str,
        params: &Params,
        headers: &HeaderMap,
    ) -> Result<Answer, Failure> {
        let store = self.store(store, Front::Http)?;
        let etag = headers.get(header::IF_MATCH);
        let word = |name| params.first(name).unwrap_or_default();
        let (options, unknown) = decode::words(word("concurrency"), word("consistency"));
        let request = DeleteRequest {
            key: String::new(),
            etag: etag.map(|etag| String::from_utf8_lossy(etag.as_bytes()).into_owned()),
            metadata: params.metadata(),
            options,
        };
        store.delete(&CX, key, Asked { request, unknown }).await?;
        Ok(no_content())
    }

    pub(super) async fn http_bulk_state(
        &self,
        store: &str,
        params: &Params,
        body: &mut Unread,
    ) -> Result<Answer, Failure> {
        let store = self.store(store, Front::Http)?;
        let mut bulk = body.decoded(MALFORMED, DESERIALIZING, decode::bulk_get).await?;
        bulk.metadata.extend(params.metadata());
        let got = store.bulk_get(&CX, &bulk.keys, bulk.metadata, bulk.parallelism).await?;
        let mut text = encode::bulk(got);
        // Dapr's encoder ends its text so.
        text.push(b'\n');
        Ok(ok(text))
    }

    pub(super) async fn http_transaction(
        &self,
        store: &str,
        params: &Params,
        body: &mut Unread,
    ) -> Result<Answer, Failure> {
        let store = self.store(store, Front::Http)?;
        let transaction = store.transaction(&CX).await?;
        let decoded = body.decoded(MALFORMED, DESERIALIZING, decode::transaction).await?;
        let metadata = params.metadata();
        let mut refused = None;
        let operations = decoded.operations.into_iter().map(|operation| {
            let Asked { request: mut operation, unknown } = operation.typed()?;
            refused = refused.take().or_else(|| transaction.refused(&operation, unknown));
            let (key, own) = decode::key_and_metadata(&mut operation);
            *key = transaction.stored(key)?;
            own.extend(metadata.clone());
            Ok(operation)
        });
        let operations = operations.collect::<Result<_, ApiError>>()?;
        transaction.carry_out(&CX, operations, decoded.metadata, refused).await?;
        Ok(no_content())
    }

    pub(super) async fn http_query(
        &self,
        store: &str,
        params: &Params,
        body: &mut Unread,
    ) -> Result<Answer, Failure> {
        let query = body.read(BODY_READ, "failed to read request body: ").await?;
        let store = self.queried_store(store)?;
        let found = store.query(&CX, &query, params.metadata()).await?;
        if found.items.is_empty() {
            return Ok(no_content());
        }
        let mut text = encode::query(found);
        // Dapr's encoder ends its text so.
        text.push(b'\n');
        Ok(ok(text))
    }
}
