//! Callers of a plugin that is away, or that has too much to do: who waits, in which order they go,
//! and who is turned away.

mod support;

use std::sync::Arc;
use std::time::Duration;

use replug_component::{Context, Error};
use replug_proto::dapr::runtime::v1::GetStateRequest;
use replug_proto::dapr::runtime::v1::dapr_client::DaprClient;
use replug_runtime::component::{ComponentSpec, HoldPolicy};
use replug_runtime::plugin::{Seat, probe};
use replug_runtime::registry::{Offer, Registry};
use support::life::{CX, Life, get, set, store};
use support::{Api, settings, spec};
use tonic::{Code, Request};
use tonic_types::StatusExt as _;

/// A plugin that takes calls over a component with this policy.
async fn served(hold: HoldPolicy) -> (Arc<Registry>, Life) {
    let registry = Arc::new(Registry::new("shop", ""));
    let metadata = [("keyPrefix", "none"), ("dsn", "db")];
    let spec = ComponentSpec { hold, ..spec("plug", "state.plug", &metadata) };
    registry.declare(spec).await.unwrap();
    let life = Life::begin(1).await;
    life.attach(&registry).await;
    (registry, life)
}

fn request(key: &str) -> GetStateRequest {
    let store_name = "plug".to_owned();
    GetStateRequest { store_name, key: key.to_owned(), ..GetStateRequest::default() }
}

fn away(registry: &Registry) {
    registry.suspend("fake", Seat::default(), "killed by SIGKILL");
}

/// Resolves once so many callers wait. Their tasks run in between, on this very thread.
async fn held(registry: &Registry, count: u64) {
    while registry.components()[0].calls.held != count {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn ten_thousand_held_callers_are_answered_in_the_order_in_which_they_came() {
    const CALLERS: usize = 10_000;
    let hold = Duration::from_secs(300);
    let (registry, _first) = served(HoldPolicy { hold, ..HoldPolicy::default() }).await;
    away(&registry);
    let store = store(&registry).await;
    let callers: Vec<_> = (0..CALLERS)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move { store.get(&CX, get(&number.to_string())).await })
        })
        .collect();
    held(&registry, CALLERS as u64).await;
    // Every tenth hangs up.
    let hung_up = |number: &usize| number % 10 == 3;
    for (number, caller) in callers.iter().enumerate() {
        if hung_up(&number) {
            caller.abort();
        }
    }
    held(&registry, CALLERS as u64 * 9 / 10).await;

    let second = Life::begin(2).await;
    second.attach(&registry).await;
    for (number, caller) in callers.into_iter().enumerate() {
        match caller.await {
            Ok(answer) => assert_eq!(answer.unwrap().data, "of generation 2"),
            Err(ended) => assert!(ended.is_cancelled() && hung_up(&number)),
        }
    }
    let patient = (0..CALLERS).filter(|number| !hung_up(number));
    let expected: Vec<_> = patient.map(|number| format!("get {number}")).collect();
    assert_eq!(second.calls()[1..], expected);
}

#[tokio::test]
async fn with_a_hold_of_zero_nobody_waits() {
    let hold = HoldPolicy { hold: Duration::ZERO, ..HoldPolicy::default() };
    let (registry, life) = served(hold).await;
    let store = store(&registry).await;
    store.set(&CX, set("k")).await.unwrap();
    away(&registry);
    let Error::Unavailable(why) = store.get(&CX, get("k")).await.unwrap_err() else { panic!() };
    assert_eq!(why.reason, "killed by SIGKILL (waited 0 ms)");
    life.attach(&registry).await;
    store.get(&CX, get("k")).await.unwrap();
}

#[tokio::test]
async fn a_deadline_that_is_shorter_than_the_restart_ends_with_the_reason_and_in_time() {
    let (registry, _life) = served(HoldPolicy::default()).await;
    away(&registry);
    let api = Api::serve(registry, settings()).await;
    let mut client = api.client_without_timer();
    let mut request = Request::new(request("k"));
    request.set_timeout(Duration::from_millis(500));
    let status = client.get_state(request).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert!(status.message().contains("killed by SIGKILL"), "{status:?}");
    assert!(status.get_details_retry_info().is_some());
}

#[tokio::test]
async fn callers_who_still_wait_when_replug_stops_are_answered() {
    let hold = HoldPolicy { hold: Duration::from_secs(3600), ..HoldPolicy::default() };
    let (registry, _life) = served(hold).await;
    away(&registry);
    let mut api = Api::serve(registry.clone(), settings()).await;
    let mut client = DaprClient::new(api.channel());
    let caller = tokio::spawn(async move { client.get_state(request("k")).await });
    held(&registry, 1).await;
    api.stop_within(Duration::from_secs(1));
    let status = caller.await.unwrap().unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert!(status.message().contains("replug is stopping"), "{status:?}");
}

#[tokio::test]
async fn a_stuck_plugin_takes_no_more_calls_than_it_may_and_its_neighbour_takes_all() {
    let most = HoldPolicy { max_calls: 32, ..HoldPolicy::default() };
    let (registry, mut life) = served(most).await;
    let metadata = [("keyPrefix", "none"), ("dsn", "db")];
    registry.declare(spec("beside", "state.beside", &metadata)).await.unwrap();
    let other = Life::begin(1).await;
    let contracts = probe(&other.connection).await.unwrap();
    let (plugin, socket, seat) = ("other".into(), "beside".into(), Seat::default());
    let connection = other.connection.clone();
    registry.attach(Offer { plugin, seat, socket, contracts, connection }).await;
    let store = store(&registry).await;
    let stuck: Vec<_> = (0..32)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.get(&CX, get("wait")).await })
        })
        .collect();
    for _ in 0..32 {
        life.hanging.recv().await.unwrap();
    }
    for _ in 0..1000 {
        let told = store.get(&CX, get("k")).await.unwrap_err();
        let Error::Unavailable(why) = told else { panic!("{told:?}") };
        assert_eq!(why.reason, "32 calls are under way already, its `max_calls`");
        assert!(!why.outcome_unknown);
    }
    let neighbour = registry.state("beside").unwrap();
    let neighbour = neighbour.slot.component(&Context::default()).await.unwrap();
    for _ in 0..1000 {
        neighbour.set(&CX, set("k")).await.unwrap();
    }
    life.fake.answers.add_permits(32);
    for caller in stuck {
        caller.await.unwrap().unwrap();
    }
    store.get(&CX, get("k")).await.unwrap();
    // Nothing that was turned away has reached it.
    assert_eq!(life.calls().iter().filter(|call| *call == "get k").count(), 1);
}

#[tokio::test]
async fn a_plugin_that_comes_back_without_what_a_caller_waits_for_has_it_told_and_later_ones_wait()
{
    let (registry, _first) = served(HoldPolicy::default()).await;
    away(&registry);
    // As every call of an application, each looks the component up for itself.
    let caller = || {
        let registry = registry.clone();
        tokio::spawn(async move { store(&registry).await.get(&CX, get("k")).await })
    };
    let early = caller();
    held(&registry, 1).await;
    let second = Life::begin_serving(2, &["SecretStore"]).await;
    second.attach(&registry).await;
    // Nothing says that it will ever serve this again.
    let told = early.await.unwrap().unwrap_err();
    let Error::Unavailable(why) = told else { panic!("{told:?}") };
    assert!(why.reason.contains("does not serve state.plug any more"), "{why:?}");
    assert!(!why.outcome_unknown, "{why:?}");
    let late = caller();
    let third = Life::begin(3).await;
    third.attach(&registry).await;
    assert_eq!(late.await.unwrap().unwrap().data, "of generation 3");
    assert_eq!(second.calls(), Vec::<String>::new());
}
