//! For plugin authors: serves components as a plugin.
//!
//! Whoever implements a trait of [`component`] has a component; a [`Plugin`] serves it on a Unix
//! socket, by the contracts that replug, Dapr and Layotto know. A state store is Dapr's
//! `StateStore` with transactions and queries beside it, a secret store Dapr's `SecretStore`, a
//! binding Dapr's `InputBinding`, `OutputBinding` or both, a
//! pubsub component Dapr's `PubSub`, a greeting Layotto's `Hello`; gRPC server reflection and
//! `grpc.health.v1` come with either. This crate knows nothing of the
//! runtime that calls.
//!
//! ```no_run
//! use std::collections::HashMap;
//! use std::sync::{Arc, Mutex};
//!
//! use replug_sdk::component::state::{
//!     DeleteRequest, GetRequest, GetResponse, SetRequest, StateStore, StateStoreType,
//! };
//! use replug_sdk::component::{Context, Error, Features, Metadata};
//! use replug_sdk::{Bytes, Plugin, async_trait};
//!
//! /// What components are made from: `open` is called once for every component that uses it.
//! struct ShelfType;
//!
//! #[async_trait]
//! impl StateStoreType for ShelfType {
//!     async fn open(&self, _metadata: Metadata) -> Result<Arc<dyn StateStore>, Error> {
//!         Ok(Arc::new(Shelf::default()))
//!     }
//! }
//!
//! /// A component: values under keys, for as long as the plugin runs.
//! #[derive(Default)]
//! struct Shelf(Mutex<HashMap<String, Bytes>>);
//!
//! #[async_trait]
//! impl StateStore for Shelf {
//!     fn features(&self) -> Features {
//!         Features::default()
//!     }
//!
//!     async fn get(&self, _cx: &Context, request: GetRequest) -> Result<GetResponse, Error> {
//!         let data = self.0.lock().unwrap().get(&request.key).cloned().unwrap_or_default();
//!         Ok(GetResponse { data, ..GetResponse::default() })
//!     }
//!
//!     async fn set(&self, _cx: &Context, request: SetRequest) -> Result<(), Error> {
//!         self.0.lock().unwrap().insert(request.key, request.value);
//!         Ok(())
//!     }
//!
//!     async fn delete(&self, _cx: &Context, request: DeleteRequest) -> Result<(), Error> {
//!         self.0.lock().unwrap().remove(&request.key);
//!         Ok(())
//!     }
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), replug_sdk::Error> {
//!     Plugin::named("shelf").state(ShelfType).serve().await
//! }
//! ```

mod binding;
mod call;
mod connections;
mod error;
mod folder;
mod hello;
mod instances;
mod plugin;
mod pubsub;
mod secret;
mod services;
mod signals;
mod socket;
mod state;

pub use async_trait::async_trait;
pub use bytes::Bytes;
pub use replug_component as component;

pub use error::Error;
pub use plugin::Plugin;
