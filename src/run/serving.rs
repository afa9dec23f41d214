//! From the first plugin started to the last one stopped, or to another program that takes over.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, join_all};
use replug_runtime::api::{Ending, Phase};
use replug_runtime::registry::Registry;
use replug_supervisor::plan::Plan;
use replug_supervisor::process::Summons;

use super::house::{House, Origin};
use super::life::{Life, Why};
use super::signals::{Signals, Stop};
use super::{GRACE, Manner, reconfiguring, succession};
use crate::daprd::Daprd;
use crate::exit::Failure;

/// How long the answer to a request to stop at once has to leave, as in Dapr.
const LAST_ANSWER: Duration = Duration::from_millis(100);

/// How long what is delivered may take to be answered while the end is put off, as in Dapr.
const DRAIN: Duration = Duration::from_secs(30);

/// Serves until told to stop.
pub(super) async fn serve(
    manner: Manner,
    origin: Origin,
    mut signals: Signals,
    summons: Summons,
) -> Result<(), Failure> {
    let (mut house, mut furniture) = House::build(manner, origin, summons).await?;
    let (plan, registry) = (house.plan.clone(), house.registry.clone());
    let mut declaring = Some(if house.daprd.is_some() {
        Daprd::load(plan, registry, house.metrics.telemetry.clone()).boxed()
    } else {
        declare(plan, registry).boxed()
    });
    loop {
        let life = Life::begin(&house, furniture, &mut declaring)?;
        let (mut life, why) = life.go_on(&house, &mut signals, &mut declaring).await;
        let heir = match why {
            Why::Asked { at_once, signal } => {
                let daprd = house.daprd.as_ref().filter(|_| signal);
                if let Some(block) = daprd.and_then(|daprd| daprd.block_duration()) {
                    put_off(&house, &mut life, block, &mut signals.stop).await?;
                }
                return stop(house, life, at_once, &mut signals.stop).await;
            }
            Why::Failed(failure) => {
                let stopped = stop(house, life, false, &mut signals.stop).await;
                // Why it ends is why it began to.
                drop(stopped);
                return Err(failure);
            }
            Why::Succeeded(heir) => Some(*heir),
            Why::Reconfigured => None,
        };
        let stop_asked = &mut signals.stop;
        // Returns where another program has not taken over.
        let outcome = match heir {
            Some(heir) => succession::hand_over(&mut house, life, heir, stop_asked).await,
            None => reconfiguring::serve_anew(&mut house, life, stop_asked).await,
        };
        furniture = match outcome {
            succession::Outcome::GoesOn(furniture) => *furniture,
            succession::Outcome::ToStop(life) => {
                return stop(house, *life, false, &mut signals.stop).await;
            }
            succession::Outcome::Stuck(failure) => return Err(failure),
        };
    }
}

/// Components being made.
pub(super) type Declaring = BoxFuture<'static, Result<(), Failure>>;

/// Puts the end off for so long, or until the application is unhealthy. Callers are served on
/// meanwhile, and told that it is about to end. Nothing new is delivered. An error is a second signal.
async fn put_off(
    house: &House,
    life: &mut Life,
    block: Duration,
    stop: &mut Stop,
) -> Result<(), Failure> {
    life.health.reached(Phase::Stopping);
    let (application, supervisor) = (life.application.clone(), life.supervisor.clone());
    let leaving = async {
        life.leave(&house.registry, DRAIN).await;
        std::future::pending::<Infallible>().await
    };
    tokio::select! {
        () = Daprd::block(block, application.as_ref()) => Ok(()),
        never = leaving => match never {},
        never = house.measure(&supervisor) => match never {},
        never = house.notify.keep(&supervisor) => match never {},
        signal = stop.asked() => Err(Daprd::again(signal)),
    }
}

/// Stops everything: callers, then plugins, then what everything stood on.
async fn stop(house: House, mut life: Life, at_once: bool, stop: &mut Stop) -> Result<(), Failure> {
    house.notify.stopping().await;
    if at_once {
        // The application's own answer is on its way; nothing tells when it has left.
        tokio::time::sleep(LAST_ANSWER).await;
        return Err(Failure::failed("stopped at once, as an application asked"));
    }
    let daprd = house.daprd.clone();
    let grace = daprd.as_ref().map_or(GRACE, |daprd| daprd.grace());
    let stopping = async {
        // Nothing is changed any more; whoever waits for a reload is told so.
        life.reloading.shutdown().await;
        // The application may call while it handles what it was given.
        life.leave(&house.registry, grace).await;
        life.attending.shutdown().await;
        if daprd.is_some() {
            tracing::info!(target: "dapr.runtime", "Dapr is shutting down");
        }
        let begun = Instant::now();
        life.end_apis(Ending::Stop { grace }).await;
        if daprd.is_some() {
            Daprd::tell_components_going(&house.registry);
        }
        let late = begun.elapsed() >= grace;
        life.supervisor.stop().await;
        life.end_control().await;
        drop((life.supervisor, life.log));
        house.spawner.finish().await;
        drop(house);
        life.log_end.written().await;
        late
    };
    tokio::select! {
        late = stopping => match &daprd {
            Some(_) if late => Err(Daprd::late()),
            Some(_) => {
                tracing::info!(target: "dapr.runtime", "Dapr runtime stopped");
                Ok(())
            }
            None => {
                tracing::info!("stopped");
                Ok(())
            }
        },
        // The kernel and the warden kill what is left.
        signal = stop.asked() => Err(match &daprd {
            Some(_) => Daprd::again(signal),
            None => Failure::failed(format!("{signal} once more: stopped at once")),
        }),
    }
}

/// Declares every component of the plan. One that cannot be made is told of and left out; the
/// others do not suffer for it.
async fn declare(plan: Plan, registry: Arc<Registry>) -> Result<(), Failure> {
    let declared = plan.components.iter().map(|spec| registry.declare(spec.clone()));
    for error in join_all(declared).await.into_iter().filter_map(Result::err) {
        tracing::error!("{error}");
    }
    Ok(())
}
