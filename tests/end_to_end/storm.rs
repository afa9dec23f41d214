//! Many kills of a plugin under load, and none of anything while there is no load: what replug is
//! left with, what it leaves behind, and whether anything is lost.

pub(crate) mod load;
mod vitals;

use std::time::{Duration, Instant};

use tokio::time::sleep;

use self::load::Load;
use self::vitals::Vitals;
use crate::rig::{Application, Home, PATIENCE, Process, Replug};

/// How often the plugin is killed, unless this variable says otherwise.
const KILLS_VARIABLE: &str = "REPLUG_STORM_KILLS";
const KILLS: u64 = 60;

/// Kills before the first look at replug, so that it is seen at work.
const WARM_UP: u64 = 5;

/// The longest time from a process's start to its kill: somewhat longer than it takes to be ready,
/// so that most kills hit a plugin that serves, and some one that starts.
const LONGEST_LIFE: Duration = Duration::from_millis(150);

/// How often replug is looked at again: what another process closes, ends or does not do gives no
/// sign that could be waited for.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// How long an idle replug has to stay asleep.
const ASLEEP: Duration = Duration::from_secs(3);

/// The real SQLite store in a process of its own, with delays that do not make kills slow.
fn plan() -> String {
    "[plugins.store]\n\
     builtin = \"state.sqlite\"\n\
     backoff = { initial = \"1ms\", max = \"5ms\" }\n\
     [components.kv]\n\
     type = \"state.sqlite\"\n\
     metadata = { connectionString = \"kv.db\" }\n"
        .to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_kills_leaves_nothing_behind_and_loses_nothing() {
    let kills = std::env::var(KILLS_VARIABLE).map_or(KILLS, |kills| kills.parse().unwrap());
    let seed = fastrand::u64(..);
    eprintln!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let home = Home::new(&plan());
    let mut replug = Replug::start(&home).await;
    let status = replug.until_usable("kv").await;
    let applications = [Application::new(&status, "kv"), Application::new(&status, "kv")];

    let load = Load::start(&applications, "before");
    for generation in 1..=WARM_UP {
        kill(&replug, generation, &mut random).await;
    }
    let mut outcomes = load.stop().await;
    let generation = WARM_UP + 1;
    ready(&mut replug, generation).await;
    let before = Vitals::of(&replug);

    let load = Load::start(&applications, "in");
    for generation in generation..generation + kills {
        kill(&replug, generation, &mut random).await;
    }
    outcomes.extend(load.stop().await);
    let generation = generation + kills;
    ready(&mut replug, generation).await;

    let start = Instant::now();
    let after = loop {
        let now = Vitals::of(&replug);
        if now.holds_no_more_than(&before) || start.elapsed() > PATIENCE {
            break now;
        }
        sleep(LOOK_AGAIN).await;
    };
    assert!(after.holds_no_more_than(&before), "before: {before:#?}\nafter: {after:#?}");
    assert_eq!(home.private_folders(), [format!("store.{generation}")]);
    let mut acknowledged = 0;
    for outcome in outcomes {
        assert_eq!(outcome.failed, Vec::<String>::new());
        for key in outcome.acknowledged {
            assert_eq!(applications[0].get(&key).await.unwrap(), key, "an acknowledged write");
            acknowledged += 1;
        }
    }
    assert!(acknowledged > 0, "the load has done something");
    replug.stop(&home).await;
}

#[tokio::test]
async fn an_idle_replug_is_not_woken() {
    let home = Home::new(&plan());
    let mut replug = Replug::start(&home).await;
    replug.until_usable("kv").await;

    // What the start has set going comes to its end by itself: threads for blocking work wait some
    // seconds for more of it. Anything that recurs is in every window.
    let start = Instant::now();
    loop {
        let before = vitals::wake_ups(replug.pid());
        // The window itself, in which nothing is to happen.
        sleep(ASLEEP).await;
        let after = vitals::wake_ups(replug.pid());
        if before == after {
            break;
        }
        assert!(start.elapsed() < PATIENCE, "woken again and again: {before:?}, then {after:?}");
    }
    replug.stop(&home).await;
}

/// Waits for the process of that generation, gives it a while to live, and kills it.
async fn kill(replug: &Replug, generation: u64, random: &mut fastrand::Rng) {
    let line = replug.line(&format!("generation={generation} pid=")).await;
    let pid = line.rsplit_once("pid=").unwrap().1.trim();
    let micros = u64::try_from(LONGEST_LIFE.as_micros()).unwrap();
    // The randomness of the storm, no waiting for something.
    sleep(Duration::from_micros(random.u64(..=micros))).await;
    let process = Process::find(pid.parse().unwrap());
    process.unwrap_or_else(|| panic!("generation {generation} ended by itself")).kill();
}

async fn ready(replug: &mut Replug, generation: u64) {
    let what = format!("generation {generation} ready");
    replug
        .until(&what, |status| {
            let store = status.plugin("store").unwrap();
            store.generation == generation && store.state == "ready"
        })
        .await;
}
