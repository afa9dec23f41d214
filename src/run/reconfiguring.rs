//! Another Configuration counts while everything runs: what it is about, the APIs and what is
//! delivered, ends and begins anew. Nothing else does: plugins run on, and so do components with what
//! they hold in memory.
//!
//! The listeners stay open, so who connects meanwhile waits.

use std::time::Duration;

use replug_supervisor::plan::Plan;
use tokio::sync::watch;

use super::GRACE;
use super::house::{Furniture, House, Plugins};
use super::life::Life;
use super::signals::Stop;
use super::succession::Outcome;
use crate::exit::Failure;

/// How long calls that are under way have at the most. Others wait for them.
const AT_MOST: Duration = Duration::from_secs(60);

/// Waits until a reload has made a plan with another Configuration than that of `served`.
pub(super) async fn asked(present: &mut watch::Receiver<Plan>, served: &Plan) {
    let other = |plan: &Plan| !plan.configuration.acts_as(&served.configuration);
    if present.wait_for(other).await.is_err() {
        // No reload comes any more.
        std::future::pending::<()>().await;
    }
}

/// Ends the APIs and deliveries, and gives what they are begun anew with.
pub(super) async fn serve_anew(house: &mut House, mut life: Life, stop: &mut Stop) -> Outcome {
    let said = "the Configuration has changed: the APIs are served anew";
    tracing::info!("{said}");
    house.record(said);
    house.notify.reloading("reconfiguring").await;
    let grace = house.daprd.as_ref().map_or(GRACE, |daprd| daprd.grace()).min(AT_MOST);
    let supervisor = life.supervisor.clone();
    let apis = tokio::select! {
        apis = life.fall_silent(grace) => apis,
        never = house.notify.keep(&supervisor) => match never {},
        signal = stop.asked() => {
            tracing::info!("{signal}: stopping");
            return Outcome::ToStop(Box::new(life));
        }
    };
    let Some(mut apis) = apis else {
        return Outcome::Stuck(Failure::failed("nothing serves applications any more"));
    };
    house.follow(life.present.borrow().clone(), &mut apis);
    if let Some(daprd) = &house.daprd {
        daprd.tell_configuration(&house.plan);
    }
    let Life { log, log_end, .. } = life;
    let plugins = Plugins::Running { supervisor, log, log_end };
    Outcome::GoesOn(Box::new(Furniture { apis, plugins }))
}
