//! What the plugins under test serve: a store in memory and a greeting.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use replug_sdk::component::hello::{Hello, HelloConfig, HelloType};
use replug_sdk::component::state::{
    DeleteRequest, GetRequest, GetResponse, Operation, QueryItem, QueryRequest, QueryResponse,
    SetRequest, StateStore, StateStoreType, TransactRequest,
};
use replug_sdk::component::{Context, Error, Features, Metadata};
use replug_sdk::{Bytes, async_trait};
use tokio::sync::Notify;

/// Opens shelves, unless the metadata have `fail`. The shelf's etag is `etag` of the metadata.
#[derive(Default)]
pub struct ShelfType {
    /// Told when somebody reads `wait`; that reader is answered when `go` is told.
    pub waiting: Arc<Notify>,
    pub go: Arc<Notify>,
}

#[async_trait]
impl StateStoreType for ShelfType {
    async fn open(&self, metadata: Metadata) -> Result<Arc<dyn StateStore>, Error> {
        if let Some(reason) = metadata.get("fail") {
            return Err(Error::Invalid(reason.clone()));
        }
        Ok(Arc::new(Shelf {
            values: Mutex::default(),
            etag: metadata.get("etag").cloned().unwrap_or_default(),
            waiting: self.waiting.clone(),
            go: self.go.clone(),
        }))
    }
}

/// Values in memory, all with the same etag. The key `wait` is read when the test says so, the key
/// `deadline` has the whole seconds that the caller still waits.
pub struct Shelf {
    values: Mutex<BTreeMap<String, Bytes>>,
    etag: String,
    waiting: Arc<Notify>,
    go: Arc<Notify>,
}

impl Shelf {
    fn check(&self, etag: Option<String>) -> Result<(), Error> {
        match etag {
            Some(etag) if etag == "?" => Err(Error::EtagInvalid("a question".into())),
            Some(etag) if etag != self.etag => Err(Error::EtagMismatch("it has changed".into())),
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl StateStore for Shelf {
    fn features(&self) -> Features {
        Features::new([Features::ETAG, Features::TRANSACTIONAL])
    }

    async fn get(&self, cx: &Context, request: GetRequest) -> Result<GetResponse, Error> {
        let data = match request.key.as_str() {
            "wait" => {
                self.waiting.notify_one();
                self.go.notified().await;
                Bytes::from_static(b"waited")
            }
            "deadline" => {
                let seconds = cx.remaining().map(|left| left.as_secs_f64().ceil().to_string());
                seconds.unwrap_or_default().into()
            }
            key => self.values.lock().unwrap().get(key).cloned().unwrap_or_default(),
        };
        Ok(GetResponse { data, etag: Some(self.etag.clone()), ..GetResponse::default() })
    }

    async fn set(&self, _cx: &Context, request: SetRequest) -> Result<(), Error> {
        self.check(request.etag)?;
        self.values.lock().unwrap().insert(request.key, request.value);
        Ok(())
    }

    async fn delete(&self, _cx: &Context, request: DeleteRequest) -> Result<(), Error> {
        self.check(request.etag)?;
        self.values.lock().unwrap().remove(&request.key);
        Ok(())
    }

    async fn transact(&self, cx: &Context, request: TransactRequest) -> Result<(), Error> {
        for operation in request.operations {
            match operation {
                Operation::Set(set) => self.set(cx, set).await?,
                Operation::Delete(delete) => self.delete(cx, delete).await?,
            }
        }
        Ok(())
    }

    async fn max_transaction_size(&self, _cx: &Context) -> Result<Option<usize>, Error> {
        Ok(self.etag.parse().ok())
    }

    /// Everything, under the filter's names as the token.
    async fn query(&self, _cx: &Context, request: QueryRequest) -> Result<QueryResponse, Error> {
        let values = self.values.lock().unwrap();
        let items = values.iter().map(|(key, data)| QueryItem {
            key: key.clone(),
            data: data.clone(),
            ..QueryItem::default()
        });
        Ok(QueryResponse {
            items: items.collect(),
            token: request.query.filter.keys().cloned().collect(),
            ..QueryResponse::default()
        })
    }

    async fn ping(&self, _cx: &Context) -> Result<(), Error> {
        if self.etag == "ill" { Err(Error::Failed("not well".into())) } else { Ok(()) }
    }
}

/// Makes greetings.
pub struct GreeterType;

#[async_trait]
impl HelloType for GreeterType {
    async fn open(&self, config: HelloConfig) -> Result<Arc<dyn Hello>, Error> {
        Ok(Arc::new(Greeter(config.greeting)))
    }
}

/// A greeting.
pub struct Greeter(String);

#[async_trait]
impl Hello for Greeter {
    async fn say_hello(&self, _cx: &Context, name: String) -> Result<String, Error> {
        Ok(format!("{}, {name}", self.0))
    }
}
