//! A state store whose values are encrypted before they reach it, and decrypted on their way back.
//! It stands in the component's slot in place of the store itself, so that no API has another way.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use replug_component::state::{
    BulkGetItem, DeleteRequest, GetRequest, GetResponse, Operation, Parallelism, QueryRequest,
    QueryResponse, SetRequest, StateStore, TransactRequest,
};
use replug_component::{Context, Error, Features, Metadata};

use super::Keys;

/// Metadata that say what a value is.
const CONTENT_TYPE: &str = "contentType";

/// A state store, and the keys of its values. Keys, etags and metadata are the store's own.
pub(crate) struct EncryptedStore {
    /// What applications call the component.
    name: Box<str>,
    store: Arc<dyn StateStore>,
    keys: Keys,
}

impl EncryptedStore {
    /// The component `name` over `store`.
    pub(crate) fn over(name: &str, store: Arc<dyn StateStore>, keys: Keys) -> Arc<dyn StateStore> {
        let key = keys.primary();
        tracing::info!(component = name, key, "values are encrypted before they are stored");
        Arc::new(Self { name: name.into(), store, keys })
    }

    fn sealed(&self, mut request: SetRequest) -> Result<SetRequest, Error> {
        request.value = self.keys.seal(&request.value)?;
        request.content_type.clear();
        forget_kind(&mut request.metadata);
        Ok(request)
    }

    fn opened(&self, stored: &[u8]) -> Result<Bytes, Error> {
        self.keys.open(stored, &self.name)
    }
}

/// Takes out what the value is to callers: to the store each is a text, which it is to keep where it
/// keeps texts.
fn forget_kind(metadata: &mut Metadata) {
    if !metadata.is_empty() {
        metadata.retain(|name, _| !name.eq_ignore_ascii_case(CONTENT_TYPE));
    }
}

#[async_trait]
impl StateStore for EncryptedStore {
    fn features(&self) -> Features {
        self.store.features()
    }

    fn refuses_unknown_options(&self) -> bool {
        self.store.refuses_unknown_options()
    }

    fn refuses_unknown_options_of_deletes(&self, in_transaction: bool) -> bool {
        self.store.refuses_unknown_options_of_deletes(in_transaction)
    }

    fn encrypts(&self) -> bool {
        true
    }

    async fn get(&self, cx: &Context, mut request: GetRequest) -> Result<GetResponse, Error> {
        forget_kind(&mut request.metadata);
        let got = self.store.get(cx, request).await?;
        Ok(GetResponse { data: self.opened(&got.data)?, ..got })
    }

    async fn set(&self, cx: &Context, request: SetRequest) -> Result<(), Error> {
        self.store.set(cx, self.sealed(request)?).await
    }

    async fn delete(&self, cx: &Context, mut request: DeleteRequest) -> Result<(), Error> {
        forget_kind(&mut request.metadata);
        self.store.delete(cx, request).await
    }

    async fn bulk_get(
        &self,
        cx: &Context,
        mut requests: Vec<GetRequest>,
        parallelism: Parallelism,
    ) -> Result<Vec<BulkGetItem>, Error> {
        for request in &mut requests {
            forget_kind(&mut request.metadata);
        }
        let mut items = self.store.bulk_get(cx, requests, parallelism).await?;
        for item in &mut items {
            let stored = std::mem::take(&mut item.value.data);
            if !item.error.is_empty() {
                continue;
            }
            match self.opened(&stored) {
                Ok(data) => item.value.data = data,
                Err(error) => item.error = error.to_string(),
            }
        }
        Ok(items)
    }

    async fn bulk_set(
        &self,
        cx: &Context,
        requests: Vec<SetRequest>,
        parallelism: Parallelism,
    ) -> Result<(), Error> {
        let sealed = requests.into_iter().map(|request| self.sealed(request));
        self.store.bulk_set(cx, sealed.collect::<Result<_, _>>()?, parallelism).await
    }

    async fn bulk_delete(
        &self,
        cx: &Context,
        mut requests: Vec<DeleteRequest>,
        parallelism: Parallelism,
    ) -> Result<(), Error> {
        for request in &mut requests {
            forget_kind(&mut request.metadata);
        }
        self.store.bulk_delete(cx, requests, parallelism).await
    }

    async fn transact(&self, cx: &Context, request: TransactRequest) -> Result<(), Error> {
        let TransactRequest { operations, mut metadata } = request;
        forget_kind(&mut metadata);
        let sealed = operations.into_iter().map(|operation| match operation {
            Operation::Set(set) => self.sealed(set).map(Operation::Set),
            Operation::Delete(mut delete) => {
                forget_kind(&mut delete.metadata);
                Ok(Operation::Delete(delete))
            }
        });
        let operations = sealed.collect::<Result<_, _>>()?;
        self.store.transact(cx, TransactRequest { operations, metadata }).await
    }

    async fn max_transaction_size(&self, cx: &Context) -> Result<Option<usize>, Error> {
        self.store.max_transaction_size(cx).await
    }

    /// The store has nothing to look into.
    async fn query(&self, _cx: &Context, _request: QueryRequest) -> Result<QueryResponse, Error> {
        Err(Error::Failed("cannot query encrypted store".to_owned()))
    }

    async fn ping(&self, cx: &Context) -> Result<(), Error> {
        self.store.ping(cx).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_store_is_told_a_text_whatever_the_value_is() {
        let keys = Keys::new(("k", "000102030405060708090a0b0c0d0e0f"), None).unwrap();
        let store = crate::builtin::find(&"state.in-memory".parse().unwrap());
        let Some(crate::builtin::Builtin::State(_, of)) = store else { panic!("no store") };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let store = runtime.block_on(of.open(Metadata::new())).unwrap();
        let own = EncryptedStore { name: "orders".into(), store, keys };
        let said = [("contentType", "application/json"), ("ttlInSeconds", "5")];
        let request = SetRequest {
            key: "k".into(),
            value: "{}".into(),
            metadata: said.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            content_type: "application/json".to_owned(),
            ..SetRequest::default()
        };
        let sealed = own.sealed(request).unwrap();
        assert_eq!((sealed.key.as_str(), sealed.content_type.as_str()), ("k", ""));
        assert_eq!(sealed.metadata, Metadata::from([("ttlInSeconds".into(), "5".into())]));
        assert!(sealed.value.ends_with(b"||k"));
    }
}
