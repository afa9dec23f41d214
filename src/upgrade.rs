//! `replug upgrade`, and the answer to whether this program can take over.

use std::time::Duration;

use replug_supervisor::upgrade::{FORMAT, Fitness};
use tokio::time::timeout;

use crate::block_on;
use crate::check::load;
use crate::cli::{CanTakeOverArgs, UpgradeArgs};
use crate::exit::Failure;
use crate::run::{VERSION, places};
use crate::status::connect;
use crate::stdout;

/// How long a program may take from the end of the last call until it answers.
const TAKE_OVER: Duration = Duration::from_secs(60);

/// How long calls that are under way have, at the most, where nothing is said.
const DRAIN: Duration = Duration::from_secs(5);

/// Has another program take over, and waits until it has.
pub(crate) fn upgrade(args: &UpgradeArgs) -> Result<(), Failure> {
    let binary = args.binary.as_deref().map(std::path::absolute).transpose();
    let binary = binary.map_err(Failure::failed)?;
    block_on(async {
        let accepted = connect(&args.control).await?.upgrade(binary.as_deref(), args.drain).await?;
        let limit = args.drain.unwrap_or(DRAIN).saturating_add(TAKE_OVER);
        let over = async {
            loop {
                // Each try ends when the program that was asked does not answer any more.
                let client = connect(&args.control).await?;
                if let Some(now) = client.await_upgrade(accepted.attempt).await? {
                    return Ok::<_, Failure>(now);
                }
            }
        };
        let now = timeout(limit, over).await.map_err(|_| {
            let limit = humantime::format_duration(limit);
            Failure::failed(format!("replug has not answered for {limit}"))
        })??;
        println!("upgraded: replug {} -> {}, pid {}", accepted.from, now.version, now.pid);
        Ok(())
    })
}

/// Says whether this program can take over, as JSON.
pub(crate) fn can_take_over(args: &CanTakeOverArgs) -> Result<(), Failure> {
    if args.format != FORMAT {
        return Err(Failure::failed(format!(
            "replug {VERSION} takes over in form {FORMAT}, and not in form {}",
            args.format
        )));
    }
    let (plan, _) = load(&args.config.config)?;
    let fitness = Fitness { replug: VERSION.to_owned(), format: FORMAT, places: places(&plan) };
    let text = serde_json::to_string(&fitness).map_err(Failure::failed)?;
    stdout::write(text.as_bytes())
}
