//! The building block state, as Dapr's API does it over either front: which component, which keys,
//! which of the component's calls, and what its errors mean.

mod failure;
mod query;
mod transaction;

use std::num::NonZeroUsize;
use std::pin::pin;
use std::sync::Arc;

use replug_component::state::{
    BulkGetItem, Consistency, DeleteRequest, GetRequest, GetResponse, QueryRequest, QueryResponse,
    SetRequest, StateStore,
};
use replug_component::{Context, Error, Metadata};

use self::failure::{Doing, illegal_key, missing, query_not_supported};
pub(super) use self::failure::{key_required, operation_not_supported};
use super::Dapr;
use super::error::{ApiError, Front};
use crate::key_prefix;
use crate::registry::StateComponent;
use crate::telemetry::Measured;

/// What Dapr says of a value that is `null`, where it is for a plugin.
const NULL: &str = "an attempt to set a nil value was received, try to use Delete instead";

/// A request, and what is wrong with its options: words that are none, for stores that refuse them.
pub(super) struct Asked<R> {
    pub(super) request: R,
    pub(super) unknown: Option<Error>,
}

/// What a store that refuses them says of such words; none: both are some, or nothing is said.
pub(super) fn unknown_option(concurrency: &str, consistency: &str) -> Option<Error> {
    let none_of = |word: &str, known: [&str; 2]| !word.is_empty() && !known.contains(&word);
    let text = if none_of(consistency, ["strong", "eventual"]) {
        format!("unrecognized consistency model '{consistency}'")
    } else if none_of(concurrency, ["first-write", "last-write"]) {
        format!("unrecognized concurrency model '{concurrency}'")
    } else {
        return None;
    };
    Some(Error::Failed(text))
}

/// The state store that one call is about.
pub(super) struct Store<'a> {
    dapr: &'a Dapr,
    component: Arc<StateComponent>,
    name: &'a str,
    front: Front,
}

impl Dapr {
    /// The state store of this name.
    pub(super) fn store<'a>(&'a self, name: &'a str, front: Front) -> Result<Store<'a>, ApiError> {
        self.store_told(name, front, &self.settings.app_id)
    }

    /// The same for a query over HTTP, whose error does not name the application.
    pub(super) fn queried_store<'a>(&'a self, name: &'a str) -> Result<Store<'a>, ApiError> {
        self.store_told(name, Front::Http, "")
    }

    fn store_told<'a>(
        &'a self,
        name: &'a str,
        front: Front,
        app_id: &str,
    ) -> Result<Store<'a>, ApiError> {
        match self.registry.state(name) {
            Ok(component) => Ok(Store { dapr: self, component, name, front }),
            Err(why) => Err(missing(why, name, app_id, front)),
        }
    }
}

impl Store<'_> {
    /// The key that is stored for the application's `key`.
    pub(super) fn stored(&self, key: &str) -> Result<String, ApiError> {
        let stored = self.component.keys.load().stored(key);
        stored.map_err(|illegal| illegal_key(&illegal, key, self.name, self.front))
    }

    /// The value of a key.
    pub(super) async fn get(
        &self,
        cx: &Context,
        key: &str,
        consistency: Consistency,
        metadata: Metadata,
    ) -> Result<GetResponse, ApiError> {
        let request = GetRequest { key: self.stored(key)?, metadata, consistency };
        let got = pin!(async { self.component.slot.component(cx).await?.get(cx, request).await });
        self.measured("get", got).await.map_err(|error| self.failed(Doing::Get { key }, &error))
    }

    /// The values of several keys of the application. `parallelism` of zero or less is all at once.
    pub(super) async fn bulk_get(
        &self,
        cx: &Context,
        keys: &[String],
        metadata: Metadata,
        parallelism: i64,
    ) -> Result<Vec<BulkGetItem>, ApiError> {
        let requests = keys.iter().map(|key| {
            let metadata = metadata.clone();
            Ok(GetRequest { key: self.stored(key)?, metadata, ..GetRequest::default() })
        });
        let requests: Vec<_> = requests.collect::<Result<_, ApiError>>()?;
        if requests.is_empty() {
            return Ok(Vec::new());
        }
        let at_once = usize::try_from(parallelism).ok().and_then(NonZeroUsize::new);
        let got = pin!(async {
            self.component.slot.component(cx).await?.bulk_get(cx, requests, at_once).await
        });
        let mut items = self
            .measured("bulk_get", got)
            .await
            .map_err(|error| self.failed(Doing::BulkGet, &error))?;
        for item in &mut items {
            item.key = key_prefix::original(&item.key).to_owned();
        }
        Ok(items)
    }

    /// Stores values, under keys as [`stored`](Self::stored) gives them.
    pub(super) async fn save(
        &self,
        cx: &Context,
        mut requests: Vec<SetRequest>,
    ) -> Result<(), ApiError> {
        let saved = pin!(async {
            match (requests.len(), requests.pop()) {
                (0, _) | (_, None) => Ok(()),
                (1, Some(mut only)) => {
                    let component = self.component.slot.component(cx).await?;
                    self.fit(&*component, [&mut only])?;
                    component.set(cx, only).await
                }
                (_, Some(last)) => {
                    requests.push(last);
                    let component = self.component.slot.component(cx).await?;
                    self.fit(&*component, &mut requests)?;
                    component.bulk_set(cx, requests, None).await
                }
            }
        });
        self.measured("set", saved).await.map_err(|error| self.failed(Doing::Save, &error))
    }

    /// The same of requests whose options may be none.
    pub(super) async fn save_asked(
        &self,
        cx: &Context,
        asked: Vec<Asked<SetRequest>>,
    ) -> Result<(), ApiError> {
        // Nothing to do is nothing that the store does.
        if asked.is_empty() {
            return Ok(());
        }
        if asked.iter().all(|asked| asked.unknown.is_none()) {
            return self.save(cx, asked.into_iter().map(|asked| asked.request).collect()).await;
        }
        let saved = pin!(async {
            let component = self.component.slot.component(cx).await?;
            let refuses = component.refuses_unknown_options();
            let (alone, mut errors, mut requests) = (asked.len() == 1, Vec::new(), Vec::new());
            for Asked { request, unknown } in asked {
                match unknown.filter(|_| refuses) {
                    Some(error) if alone => return Err(error),
                    Some(error) => errors.push(error),
                    None => requests.push(request),
                }
            }
            self.fit(&*component, &mut requests)?;
            match component.bulk_set(cx, requests, None).await {
                Ok(()) => {}
                Err(Error::Bulk(more)) => errors.extend(more),
                Err(error) => errors.push(error),
            }
            if errors.is_empty() { Ok(()) } else { Err(Error::Bulk(errors)) }
        });
        self.measured("set", saved).await.map_err(|error| self.failed(Doing::Save, &error))
    }

    /// Removes the application's `key`; that of the request is not looked at.
    pub(super) async fn delete(
        &self,
        cx: &Context,
        key: &str,
        asked: Asked<DeleteRequest>,
    ) -> Result<(), ApiError> {
        let request = DeleteRequest { key: self.stored(key)?, ..asked.request };
        let done = pin!(async {
            let component = self.component.slot.component(cx).await?;
            let refuses = component.refuses_unknown_options_of_deletes(false);
            match asked.unknown.filter(|_| refuses) {
                Some(error) => Err(error),
                None => component.delete(cx, request).await,
            }
        });
        self.measured("delete", done)
            .await
            .map_err(|error| self.failed(Doing::Delete { key }, &error))
    }

    /// Removes keys as [`stored`](Self::stored) gives them.
    pub(super) async fn bulk_delete(
        &self,
        cx: &Context,
        mut requests: Vec<DeleteRequest>,
    ) -> Result<(), ApiError> {
        let done = pin!(async {
            match (requests.len(), requests.pop()) {
                (0, _) | (_, None) => Ok(()),
                (1, Some(only)) => self.component.slot.component(cx).await?.delete(cx, only).await,
                (_, Some(last)) => {
                    requests.push(last);
                    self.component.slot.component(cx).await?.bulk_delete(cx, requests, None).await
                }
            }
        });
        self.measured("bulk_delete", done)
            .await
            .map_err(|error| self.failed(Doing::BulkDelete, &error))
    }

    /// The entries that match `query`, Dapr's query language as JSON text.
    pub(super) async fn query(
        &self,
        cx: &Context,
        query: &[u8],
        metadata: Metadata,
    ) -> Result<QueryResponse, ApiError> {
        if !self.dapr.settings.more_queries
            && let Ok(component) = self.component.slot.component(cx).await
            && !component.is_queried_in_dapr()
        {
            return Err(query_not_supported(self.name));
        }
        let found = pin!(async {
            let component = self.component.slot.component(cx).await?;
            if component.encrypts() {
                return component.query(cx, QueryRequest::default()).await;
            }
            let query = query::parsed(query).map_err(|error| {
                Error::Invalid(format!("failed to parse JSON query body: {error}"))
            })?;
            component.query(cx, QueryRequest { query, metadata }).await
        });
        let mut found = self.measured("query", found).await.map_err(|error| match error {
            Error::Unsupported(_) => query_not_supported(self.name),
            error => self.failed(Doing::Query, &error),
        })?;
        for item in &mut found.items {
            item.key = key_prefix::original(&item.key).to_owned();
        }
        Ok(found)
    }

    /// Makes of values that came as JSON what Dapr makes of them: where the component encrypts, texts
    /// are taken out of their quotes, since what is read is what was between them; a plugin is given
    /// no `null`, whatever else there is.
    fn fit<'r>(
        &self,
        component: &dyn StateStore,
        requests: impl IntoIterator<Item = &'r mut SetRequest>,
    ) -> Result<(), Error> {
        let (encrypts, refuses_null) = (component.encrypts(), component.refuses_null());
        if self.front != Front::Http || !encrypts && !refuses_null {
            return Ok(());
        }
        for request in requests {
            if refuses_null && request.value == "null" {
                return Err(Error::Failed(NULL.to_owned()));
            }
            if encrypts && let Ok(text) = serde_json::from_slice::<String>(&request.value) {
                request.value = text.into();
            }
        }
        Ok(())
    }

    /// A call of the store, measured where that is asked for.
    async fn measured<T>(
        &self,
        operation: &str,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        self.dapr.measured(Measured::State, self.name, operation, call).await
    }

    fn failed(&self, doing: Doing<'_>, error: &Error) -> ApiError {
        doing.failed(self.name, error)
    }
}
