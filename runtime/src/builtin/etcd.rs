//! `state.etcd` and `state.etcd.v2`: state in an etcd cluster.
//!
//! **Layout.** That of Dapr's stores of this name, versions 1 and 2, and what one has written the
//! other reads: a value lies under `keyPrefixPath`, a slash and the key; as it is in version 1, in an
//! envelope with its times in version 2, which so can tell when it ends. The etag is the revision of
//! the cluster at which the value was written. A value with an end hangs on a lease, and goes when
//! etcd takes that back: a little later than asked, and not before two seconds as a rule.
//!
//! **Behaviour.** An etag that is given has to match whatever the concurrency, and a first write
//! without one fails where there is a value. Unlike in Dapr's store, that and the write are one step,
//! so that of two writers one wins, and a transaction whose conditions do not hold changes nothing.

mod change;
mod client;
mod settings;
mod wire;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use prost::Message as _;
use replug_component::state::{
    DeleteRequest, GetRequest, GetResponse, SetRequest, StateStore, StateStoreType, TransactRequest,
};
use replug_component::{Context, Error, Features, Metadata};

use super::ttl::TTL_EXPIRE_TIME;
use change::Changes;
use client::Client;
use settings::Settings;
use wire::{
    LeaseGrantRequest, LeaseGrantResponse, LeaseRevokeRequest, Nothing, RangeRequest,
    RangeResponse, TxnResponse, Value,
};

/// The form of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// As they are.
    V1,
    /// In an envelope.
    V2,
}

/// The type `state.etcd`, in one of its versions.
pub(super) struct EtcdType(pub(super) Layout);

#[async_trait]
impl StateStoreType for EtcdType {
    async fn open(&self, metadata: Metadata) -> Result<Arc<dyn StateStore>, Error> {
        let settings = Settings::new(&metadata)?;
        // As Dapr's, it connects when it is first called.
        Ok(Arc::new(EtcdStore { client: Client::new(&settings)?, layout: self.0, settings }))
    }
}

struct EtcdStore {
    client: Client,
    layout: Layout,
    settings: Settings,
}

#[async_trait]
impl StateStore for EtcdStore {
    fn features(&self) -> Features {
        super::store_features(&[Features::KEYS_LIKE])
    }

    fn refuses_unknown_options(&self) -> bool {
        true
    }

    async fn get(&self, _cx: &Context, request: GetRequest) -> Result<GetResponse, Error> {
        let range = RangeRequest { key: self.path(&request.key), keys_only: false };
        let found: RangeResponse = self.client.read(wire::RANGE, range).await?;
        let Some(kv) = found.kvs.into_iter().next() else {
            return Ok(GetResponse::default());
        };
        let (data, ends) = match self.layout {
            Layout::V1 => (kv.value, None),
            Layout::V2 => opened(kv.value).map_err(|error| {
                self.client.told(&format!("key {} is not of version 2: {error}", request.key))
            })?,
        };
        let ends = ends.map(|end| {
            (TTL_EXPIRE_TIME.to_owned(), humantime::format_rfc3339_seconds(end).to_string())
        });
        Ok(GetResponse {
            data,
            etag: Some(kv.mod_revision.to_string()),
            metadata: ends.into_iter().collect(),
            content_type: String::new(),
        })
    }

    async fn set(&self, _cx: &Context, request: SetRequest) -> Result<(), Error> {
        self.make(Changes::set(request)?).await
    }

    async fn delete(&self, _cx: &Context, request: DeleteRequest) -> Result<(), Error> {
        self.make(Changes::delete(request)?).await
    }

    async fn transact(&self, _cx: &Context, request: TransactRequest) -> Result<(), Error> {
        self.make(Changes::together(request.operations)?).await
    }

    async fn max_transaction_size(&self, _cx: &Context) -> Result<Option<usize>, Error> {
        Ok(Some(self.settings.max_txn_ops))
    }

    async fn ping(&self, _cx: &Context) -> Result<(), Error> {
        // Any key will do.
        let range = RangeRequest { key: b"health".to_vec(), keys_only: true };
        self.client.read::<_, RangeResponse>(wire::RANGE, range).await.map(|_| ())
    }
}

impl EtcdStore {
    /// A key as it is in etcd.
    fn path(&self, key: &str) -> Vec<u8> {
        [self.settings.prefix.as_bytes(), b"/", key.as_bytes()].concat()
    }

    async fn make(&self, changes: Changes) -> Result<(), Error> {
        if changes.is_empty() {
            return Ok(());
        }
        let mut leases = HashMap::new();
        for seconds in changes.lifetimes() {
            let grant = LeaseGrantRequest { ttl: seconds };
            // One that is never used goes by itself, when it ends.
            let lease: LeaseGrantResponse = self.client.write(wire::LEASE_GRANT, grant).await?;
            leases.insert(seconds, lease.id);
        }
        let now = SystemTime::now();
        let encode = |value: &Bytes, seconds: Option<i64>| match self.layout {
            Layout::V1 => value.clone(),
            Layout::V2 => enclosed(value, now, seconds),
        };
        let transaction = changes.transaction(|key| self.path(key), encode, &leases);
        let answer: TxnResponse = self.client.write(wire::TXN, transaction).await?;
        if answer.succeeded {
            return Ok(());
        }
        for id in leases.into_values() {
            let revoke = LeaseRevokeRequest { id };
            // It would end anyway.
            let _ = self.client.write::<_, Nothing>(wire::LEASE_REVOKE, revoke).await;
        }
        Err(changes.refused(&answer))
    }
}

/// A value in its envelope.
fn enclosed(value: &Bytes, now: SystemTime, seconds: Option<i64>) -> Bytes {
    let ttl = seconds.map(|seconds| prost_types::Duration { seconds, nanos: 0 });
    Value { data: value.clone(), ts: Some(now.into()), ttl }.encode_to_vec().into()
}

/// What is in an envelope: the value, and when it ends.
fn opened(envelope: Bytes) -> Result<(Bytes, Option<SystemTime>), prost::DecodeError> {
    let value = Value::decode(envelope)?;
    // Dapr's store writes a lifetime of nothing for those that do not end.
    let ttl = value.ttl.and_then(|ttl| u64::try_from(ttl.seconds).ok()).filter(|ttl| *ttl > 0);
    let written = value.ts.and_then(|ts| SystemTime::try_from(ts).ok());
    let ends = written.zip(ttl).and_then(|(ts, ttl)| ts.checked_add(Duration::from_secs(ttl)));
    Ok((value.data, ends))
}
