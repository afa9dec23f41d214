//! Several processes and generations of one plugin at a time: who of them is called, what becomes of
//! the calls when one leaves, and how one takes another's place.

mod support;

use replug_component::Error;
use replug_component::state::StateStore;
use replug_runtime::plugin::Seat;
use replug_runtime::registry::{ComponentState, Lack};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use support::life::{CX, Life, get, registry, set, store};
use tokio::task::JoinHandle;

const FIRST: Seat = Seat { instance: 1, generation: 1 };
const OTHER: Seat = Seat { instance: 2, generation: 1 };
const NEXT: Seat = Seat { instance: 1, generation: 2 };

/// How many calls are made where their spread is looked at.
const CALLS: usize = 10;

fn reading(store: &Arc<dyn StateStore>, key: &'static str) -> JoinHandle<Result<String, Error>> {
    let store = store.clone();
    tokio::spawn(async move {
        let got = store.get(&CX, get(key)).await?;
        Ok(String::from_utf8(got.data.to_vec()).unwrap())
    })
}

fn count(life: &Life, call: &str) -> usize {
    life.calls().iter().filter(|made| *made == call).count()
}

#[tokio::test]
async fn calls_go_to_the_process_with_the_least_to_do() {
    let registry = registry().await;
    let (mut busy, idle) = (Life::begin(1).await, Life::begin(2).await);
    busy.attach_at(&registry, FIRST).await;
    let store = store(&registry).await;
    let waiting = reading(&store, "wait");
    busy.hanging.recv().await.unwrap();
    idle.attach_at(&registry, OTHER).await;
    for _ in 0..CALLS {
        store.get(&CX, get("k")).await.unwrap();
    }
    assert_eq!((count(&busy, "get k"), count(&idle, "get k")), (0, CALLS));
    // With nothing to do at all, they take turns.
    busy.fake.answers.add_permits(1);
    waiting.await.unwrap().unwrap();
    for _ in 0..CALLS {
        store.get(&CX, get("even")).await.unwrap();
    }
    assert_eq!((count(&busy, "get even"), count(&idle, "get even")), (CALLS / 2, CALLS / 2));
}

#[tokio::test]
async fn no_caller_notices_that_one_of_two_processes_is_gone() {
    let registry = registry().await;
    let (mut first, second) = (Life::begin(1).await, Life::begin(2).await);
    first.attach_at(&registry, FIRST).await;
    let store = store(&registry).await;
    let interrupted = reading(&store, "hang");
    first.hanging.recv().await.unwrap();
    second.attach_at(&registry, OTHER).await;
    first.kill().await;
    // Sent again to the other one, at once: nobody has to come back first.
    assert_eq!(interrupted.await.unwrap().unwrap(), "of generation 2");
    for _ in 0..CALLS {
        store.set(&CX, set("k")).await.unwrap();
    }
    registry.suspend("fake", FIRST, "killed by SIGKILL");
    assert_eq!(registry.components().remove(0).state, ComponentState::Ready);
    registry.suspend("fake", OTHER, "killed as well");
    let state = registry.components().remove(0).state;
    assert_eq!(state, ComponentState::Suspended("killed as well".into()));
}

#[tokio::test]
async fn an_initialisation_that_fails_at_one_process_leaves_the_other_serving() {
    let registry = registry().await;
    let (first, second) = (Life::begin(1).await, Life::begin(2).await);
    second.fake.refuses_init.store(true, Ordering::Relaxed);
    first.attach_at(&registry, FIRST).await;
    let attached = second.attach_at(&registry, OTHER).await;
    assert_eq!(attached.failed.len(), 1, "{attached:?}");
    let store = store(&registry).await;
    for _ in 0..CALLS {
        assert_eq!(store.get(&CX, get("k")).await.unwrap().data, "of generation 1");
    }
    // Left alone, it is what the component's state tells of.
    registry.suspend("fake", FIRST, "stopped");
    let state = registry.components().remove(0).state;
    assert!(matches!(&state, ComponentState::Failed(why) if why.contains("locked")), "{state:?}");
    second.fake.refuses_init.store(false, Ordering::Relaxed);
    assert!(registry.init_again("plug").await);
    assert_eq!(store.get(&CX, get("k")).await.unwrap().data, "of generation 2");
}

#[tokio::test]
async fn a_process_that_stands_by_is_initialised_and_not_called_until_it_is_admitted() {
    let registry = registry().await;
    let (present, next) = (Life::begin(1).await, Life::begin(2).await);
    present.attach_at(&registry, FIRST).await;
    registry.stand_by("fake", NEXT);
    next.attach_at(&registry, NEXT).await;
    let store = store(&registry).await;
    for _ in 0..CALLS {
        assert_eq!(store.get(&CX, get("k")).await.unwrap().data, "of generation 1");
    }
    assert_eq!(registry.lacks("fake", NEXT, FIRST), []);
    assert_eq!(next.calls(), ["init db"]);

    assert_eq!(registry.admit("fake", NEXT).await, []);
    let (retired, draining, rest) = registry.release("fake", FIRST, "replaced");
    rest.await;
    assert_eq!((retired, draining.calls()), (vec![], 0));
    draining.done().await;
    for _ in 0..CALLS {
        assert_eq!(store.get(&CX, get("k")).await.unwrap().data, "of generation 2");
    }
}

#[tokio::test]
async fn a_process_that_is_released_ends_its_calls_and_takes_no_more() {
    let registry = registry().await;
    let (mut present, next) = (Life::begin(1).await, Life::begin(2).await);
    present.attach_at(&registry, FIRST).await;
    let store = store(&registry).await;
    let slow = reading(&store, "wait");
    present.hanging.recv().await.unwrap();
    next.attach_at(&registry, NEXT).await;
    let (_, draining, _) = registry.release("fake", FIRST, "replaced");
    assert_eq!(draining.calls(), 1);
    let drained = tokio::spawn(async move { draining.done().await });
    for _ in 0..CALLS {
        assert_eq!(store.get(&CX, get("k")).await.unwrap().data, "of generation 2");
    }
    assert!(!drained.is_finished());
    present.fake.answers.add_permits(1);
    assert_eq!(slow.await.unwrap().unwrap(), "of generation 1");
    drained.await.unwrap();
}

#[tokio::test]
async fn what_the_next_generation_cannot_do_is_known_and_it_can_be_dismissed() {
    let registry = registry().await;
    let (present, next) = (Life::begin(1).await, Life::begin(2).await);
    next.fake.refuses_init.store(true, Ordering::Relaxed);
    present.attach_at(&registry, FIRST).await;
    registry.stand_by("fake", NEXT);
    let lack = |failure: Option<&str>| Lack {
        component: "plug".into(),
        component_type: "state.plug".parse().unwrap(),
        failure: failure.map(Into::into),
    };
    assert_eq!(registry.lacks("fake", NEXT, FIRST), [lack(None)]);
    next.attach_at(&registry, NEXT).await;
    let lacks = registry.lacks("fake", NEXT, FIRST);
    assert!(lacks[0].failure.as_ref().is_some_and(|why| why.contains("locked")), "{lacks:?}");
    registry.dismiss("fake", NEXT, "of no use").await;
    assert_eq!(registry.lacks("fake", NEXT, FIRST), [lack(None)]);
    let store = store(&registry).await;
    assert_eq!(store.get(&CX, get("k")).await.unwrap().data, "of generation 1");
    assert_eq!(registry.components().remove(0).state, ComponentState::Ready);
}

#[tokio::test]
async fn a_type_that_only_the_process_standing_by_brings_serves_from_its_admission() {
    let registry = registry().await;
    let next = Life::begin(2).await;
    registry.stand_by("fake", NEXT);
    next.attach_at(&registry, NEXT).await;
    let state = registry.components().remove(0).state;
    assert!(matches!(state, ComponentState::Waiting(_)), "{state:?}");
    assert_eq!(next.calls(), Vec::<String>::new());
    assert_eq!(registry.admit("fake", NEXT).await, []);
    assert_eq!(next.calls(), ["init db"]);
    assert_eq!(registry.components().remove(0).state, ComponentState::Ready);
}

#[tokio::test]
async fn the_claim_of_a_plugin_outlives_its_processes_until_it_is_retired() {
    let registry = registry().await;
    let (first, second) = (Life::begin(1).await, Life::begin(2).await);
    first.attach_at(&registry, FIRST).await;
    second.attach_at(&registry, OTHER).await;
    for (seat, life) in [(FIRST, &first), (OTHER, &second)] {
        life.kill().await;
        registry.suspend("fake", seat, "gone");
    }
    let status = registry.components().remove(0);
    assert_eq!(status.served_by.as_deref(), Some("fake"));
    assert_eq!(status.state, ComponentState::Suspended("gone".into()));
    let third = Life::begin(3).await;
    let seat = Seat { instance: 2, generation: 2 };
    third.attach_at(&registry, seat).await;
    assert_eq!(store(&registry).await.get(&CX, get("k")).await.unwrap().data, "of generation 3");
    registry.retire("fake", "stopped").await;
    let status = registry.components().remove(0);
    assert_eq!(status.state, ComponentState::Waiting("stopped".into()));
}
