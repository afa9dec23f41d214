//! The component type `state.notebook`.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use replug_sdk::async_trait;
use replug_sdk::component::state::{
    DeleteRequest, GetRequest, GetResponse, Operation, QueryItem, QueryRequest, QueryResponse,
    SetRequest, StateStore, StateStoreType, TransactRequest,
};
use replug_sdk::component::{Context, Error, Features, Metadata};

use crate::query::Search;
use crate::writer::{Shared, Writer};

/// Opens notebooks, by the `path` of the metadata. Components of the same path share one, and it
/// stays open for as long as the plugin runs: it has one writer.
#[derive(Default)]
pub struct NotebookType(Arc<Mutex<HashMap<PathBuf, Arc<Notebook>>>>);

#[async_trait]
impl StateStoreType for NotebookType {
    async fn open(&self, metadata: Metadata) -> Result<Arc<dyn StateStore>, Error> {
        let path = metadata.get("path").filter(|path| !path.is_empty()).ok_or_else(|| {
            Error::Invalid("metadata has no `path`: the file to keep the journal in".into())
        })?;
        let path = PathBuf::from(path);
        let notebooks = self.0.clone();
        let opened = tokio::task::spawn_blocking(move || {
            let mut notebooks = notebooks.lock().unwrap_or_else(PoisonError::into_inner);
            // An absolute path without links, if the file is there; if not, it is not open.
            if let Some(open) = path.canonicalize().ok().and_then(|path| notebooks.get(&path)) {
                return Ok(open.clone());
            }
            let (writer, entries) = Writer::open(&path)?;
            let notebook = Arc::new(Notebook { writer, entries });
            notebooks.insert(path.canonicalize()?, notebook.clone());
            Ok(notebook)
        });
        match opened.await {
            Ok(Ok(notebook)) => Ok(notebook),
            Ok(Err(error)) => {
                let error: std::io::Error = error;
                let path = &metadata["path"];
                Err(Error::Failed(format!("cannot open the journal {path}: {error}")))
            }
            Err(panicked) => Err(Error::Failed(panicked.to_string())),
        }
    }
}

/// All values in memory, and the way to the disk.
struct Notebook {
    writer: Writer,
    entries: Shared,
}

#[async_trait]
impl StateStore for Notebook {
    fn features(&self) -> Features {
        Features::new([Features::ETAG, Features::TRANSACTIONAL, Features::QUERY_API])
    }

    async fn get(&self, _cx: &Context, request: GetRequest) -> Result<GetResponse, Error> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        Ok(entries.get(&request.key).map_or_else(GetResponse::default, |entry| GetResponse {
            data: entry.value.data.clone(),
            etag: Some(entry.version.to_string()),
            metadata: Metadata::default(),
            content_type: entry.value.content_type.clone(),
        }))
    }

    async fn set(&self, _cx: &Context, request: SetRequest) -> Result<(), Error> {
        self.writer.write(vec![Operation::Set(request)]).await
    }

    async fn delete(&self, _cx: &Context, request: DeleteRequest) -> Result<(), Error> {
        self.writer.write(vec![Operation::Delete(request)]).await
    }

    async fn transact(&self, _cx: &Context, request: TransactRequest) -> Result<(), Error> {
        self.writer.write(request.operations).await
    }

    async fn query(&self, _cx: &Context, request: QueryRequest) -> Result<QueryResponse, Error> {
        let shared = self.entries.clone();
        let searched = tokio::task::spawn_blocking(move || {
            let search = Search::new(&request.query)?;
            // Writers wait for the list alone, not for the search. The values are not copied.
            let entries: Vec<_> = {
                let entries = shared.read().unwrap_or_else(PoisonError::into_inner);
                entries.iter().map(|(key, entry)| (key.clone(), entry.clone())).collect()
            };
            let (found, token) = search.page(entries);
            let items = found.into_iter().map(|(key, entry)| QueryItem {
                key,
                data: entry.value.data,
                etag: Some(entry.version.to_string()),
                error: String::new(),
                content_type: entry.value.content_type,
            });
            Ok(QueryResponse { items: items.collect(), token, metadata: Metadata::default() })
        });
        searched.await.map_err(|panicked| Error::Failed(panicked.to_string()))?
    }
}
