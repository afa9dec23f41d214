//! Random operations, on the stores and on a model of a few lines.

use std::collections::HashMap;

use bytes::Bytes;
use proptest::prelude::*;
use replug_component::Error;
use replug_component::state::{
    Concurrency, DeleteRequest, Operation, Options, SetRequest, StateStore,
};

use crate::conformance::{cx, get, transact};
use crate::{open, sqlite};

const KEYS: usize = 3;

/// Which etag a write asks for.
#[derive(Debug, Clone, Copy)]
enum Ask {
    Nothing,
    Empty,
    Stored,
    Outdated,
    Bogus,
}

#[derive(Debug, Clone)]
struct Step {
    key: usize,
    /// None: delete.
    value: Option<Vec<u8>>,
    ask: Ask,
    concurrency: Concurrency,
}

#[derive(Debug, Clone)]
enum Request {
    One(Step),
    Transaction(Vec<Step>),
}

fn step() -> impl Strategy<Value = Step> {
    let value = prop::option::weighted(0.7, prop::collection::vec(any::<u8>(), 0..8));
    let ask = prop_oneof![
        4 => Just(Ask::Nothing),
        1 => Just(Ask::Empty),
        4 => Just(Ask::Stored),
        1 => Just(Ask::Outdated),
        1 => Just(Ask::Bogus),
    ];
    let concurrency = prop_oneof![
        Just(Concurrency::Unspecified),
        Just(Concurrency::FirstWrite),
        Just(Concurrency::LastWrite),
    ];
    (0..KEYS, value, ask, concurrency).prop_map(|(key, value, ask, concurrency)| Step {
        key,
        value,
        ask,
        concurrency,
    })
}

fn requests() -> impl Strategy<Value = Vec<Request>> {
    let request = prop_oneof![
        2 => step().prop_map(Request::One),
        1 => prop::collection::vec(step(), 0..5).prop_map(Request::Transaction),
    ];
    prop::collection::vec(request, 1..30)
}

/// What the model keeps under a key: the value, and which version of the store's it is.
type Entries = HashMap<usize, (Vec<u8>, u64)>;

/// The model's side of a store.
struct Model {
    entries: Entries,
    versions: u64,
    /// The etags that the store has shown, by version.
    etags: HashMap<u64, String>,
    /// The last version of each key that is no longer stored.
    outdated: HashMap<usize, u64>,
    /// Whether a first delete without an etag fails where there is a value.
    first_delete_fails: bool,
}

/// A step with its etag: the store's text, and the version that the model compares with.
struct Asked {
    step: Step,
    etag: Option<String>,
    version: Option<u64>,
}

impl Model {
    fn ask(&self, step: Step) -> Asked {
        let known = match step.ask {
            Ask::Nothing => return Asked { step, etag: None, version: None },
            Ask::Empty => return Asked { step, etag: Some(String::new()), version: None },
            Ask::Stored => self.entries.get(&step.key).map(|(_, version)| *version),
            Ask::Outdated => self.outdated.get(&step.key).copied(),
            Ask::Bogus => None,
        };
        let etag = known.and_then(|version| self.etags.get(&version).cloned());
        Asked {
            step,
            version: Some(known.filter(|_| etag.is_some()).unwrap_or(u64::MAX)),
            etag: Some(etag.unwrap_or_else(|| "bogus".into())),
        }
    }

    /// Whether all steps happen; they do if so.
    fn carry_out(&mut self, steps: &[Asked]) -> bool {
        let mut entries = self.entries.clone();
        for Asked { step, version, .. } in steps {
            let stored = entries.get(&step.key).map(|(_, version)| *version);
            let first = step.concurrency == Concurrency::FirstWrite
                && (step.value.is_some() || self.first_delete_fails);
            let allowed = match version {
                Some(_) => *version == stored,
                None => stored.is_none() || !first,
            };
            if !allowed {
                return false;
            }
            self.versions += 1;
            match &step.value {
                Some(value) => entries.insert(step.key, (value.clone(), self.versions)),
                None => entries.remove(&step.key),
            };
        }
        for (key, (_, version)) in &self.entries {
            if entries.get(key).is_none_or(|(_, now)| now != version) {
                self.outdated.insert(*key, *version);
            }
        }
        self.entries = entries;
        true
    }

    /// The store holds what the model holds, under etags that change when they should.
    async fn compare(&mut self, store: &dyn StateStore) {
        for key in 0..KEYS {
            let got = get(store, &format!("key-{key}")).await;
            match self.entries.get(&key) {
                None => assert_eq!(got.etag, None),
                Some((value, version)) => {
                    assert_eq!(got.data, *value);
                    let etag = got.etag.expect("a stored value has an etag");
                    let known = self.etags.entry(*version).or_insert_with(|| etag.clone());
                    assert_eq!(*known, etag);
                }
            }
        }
        let mut etags: Vec<&String> = self.etags.values().collect();
        etags.sort();
        etags.dedup();
        assert_eq!(etags.len(), self.etags.len(), "an etag was given twice");
    }
}

fn operation(Asked { step, etag, .. }: &Asked) -> Operation {
    let key = format!("key-{}", step.key);
    let etag = etag.clone();
    let options = Options { concurrency: step.concurrency, ..Options::default() };
    match &step.value {
        Some(value) => Operation::Set(SetRequest {
            key,
            etag,
            options,
            value: Bytes::from(value.clone()),
            ..SetRequest::default()
        }),
        None => Operation::Delete(DeleteRequest { key, etag, options, ..DeleteRequest::default() }),
    }
}

async fn run(store: &dyn StateStore, first_delete_fails: bool, requests: Vec<Request>) {
    let mut model = Model {
        entries: HashMap::new(),
        versions: 0,
        etags: HashMap::new(),
        outdated: HashMap::new(),
        first_delete_fails,
    };
    for request in requests {
        let (steps, alone) = match request {
            Request::One(step) => (vec![step], true),
            Request::Transaction(steps) => (steps, false),
        };
        let steps: Vec<Asked> = steps.into_iter().map(|step| model.ask(step)).collect();
        let mut operations: Vec<Operation> = steps.iter().map(operation).collect();
        let result = match operations.pop() {
            Some(Operation::Set(request)) if alone => store.set(&cx(), request).await,
            Some(Operation::Delete(request)) if alone => store.delete(&cx(), request).await,
            last => {
                operations.extend(last);
                transact(store, operations).await
            }
        };
        if model.carry_out(&steps) {
            result.unwrap();
        } else {
            assert!(matches!(result, Err(Error::EtagMismatch(_))), "{result:?}");
        }
        model.compare(store).await;
    }
}

fn with_runtime(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() })]

    #[test]
    fn the_in_memory_store_does_what_its_model_does(requests in requests()) {
        with_runtime(async {
            run(&*open("state.in-memory", &[]).await.unwrap(), true, requests).await;
        });
    }

    #[test]
    fn the_sqlite_store_does_what_its_model_does(requests in requests()) {
        with_runtime(async {
            let folder = tempfile::tempdir().unwrap();
            // Flushes change nothing that can be seen here, and take long.
            let store = sqlite::open_in(&folder, &[("options", "_pragma=synchronous(off)")]).await;
            run(&*store.unwrap(), false, requests).await;
        });
    }
}
