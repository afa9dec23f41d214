//! How a generation is, beside what its sockets show: its probe, what it tells by itself, and the
//! watchdog that it feeds. What is not asked for in the plan is not here, and costs nothing.

use std::ffi::OsString;
use std::future;
use std::os::fd::OwnedFd;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::super::handed::HandedVitals;
use super::super::task::Surroundings;
use crate::health::probe::Prober;
use crate::health::{By, News, Tally, Verdict, overslept};
use crate::plan::PluginSpec;
use crate::process::Launch;
use crate::sockets::Place;
use crate::told::{Message, SOCKET_NAME, Told, Watchdog as Fed};

/// What of a generation's vitals is news.
pub(in crate::plugin) enum Sign {
    /// How its probe or its watchdog judges it.
    Health(News),
    /// What it told, and how its watchdog judges it for that.
    Told(Message, Option<News>),
}

/// How a generation is.
pub(super) struct Vitals {
    told: Option<Told>,
    watchdog: Watchdog,
    probe: Option<Probed>,
    /// Why its sockets are not looked at yet.
    ready_told: bool,
    passed: bool,
}

/// A probe at work. It ends with this.
struct Probed {
    task: JoinSet<()>,
    news: mpsc::Receiver<News>,
}

/// Whether the plugin says in time that it lives. It counts from when the plugin is ready.
#[derive(Debug)]
struct Watchdog {
    /// None: nothing is expected.
    time: Option<Duration>,
    /// When it has to have said so next.
    deadline: Option<Instant>,
    tally: Tally,
}

// === impl Vitals ===

impl Vitals {
    /// What the plan asks for, where the process is to be started with `launch` and told of it, in
    /// its folder at `place`. What it tells is heard once [`Vitals::hear`] has been called.
    pub(super) fn prepare(spec: &PluginSpec, place: &Place, launch: &mut Launch) -> Self {
        if spec.notify {
            let socket = place.path().join(SOCKET_NAME);
            launch.env.push((OsString::from("NOTIFY_SOCKET"), socket.into()));
        }
        if let Some(time) = spec.watchdog {
            // Without WATCHDOG_PID, which is not known before there is a process, it is meant for
            // whoever reads it: so sd_watchdog_enabled(3) has it.
            launch.env.push(("WATCHDOG_USEC".into(), time.as_micros().to_string().into()));
        }
        Self {
            told: None,
            watchdog: Watchdog::new(spec.watchdog),
            probe: None,
            ready_told: !spec.notify,
            passed: spec.probe.as_ref().is_none_or(|probing| !probing.ready),
        }
    }

    /// Listens at a socket of [`Told::bind`] from now on. An error is a text for people.
    pub(super) fn hear(&mut self, socket: OwnedFd) -> Result<(), String> {
        self.told = Some(resumed(socket)?);
        Ok(())
    }

    /// Goes on with what the program before has let go of. A plugin that was ready stays so,
    /// whatever its probe has to say yet. An error is a text for people.
    pub(super) fn resume(
        spec: &PluginSpec,
        handed: HandedVitals<OwnedFd>,
        was_ready: bool,
    ) -> Result<Self, String> {
        let told = handed.told.map(resumed).transpose()?;
        Ok(Self {
            told,
            watchdog: Watchdog::new(handed.watchdog),
            probe: None,
            ready_told: handed.ready_told,
            passed: was_ready || spec.probe.as_ref().is_none_or(|probing| !probing.ready),
        })
    }

    /// Ends the probe, and lets go of the rest.
    pub(super) async fn hand_over(mut self) -> HandedVitals<OwnedFd> {
        self.end().await;
        // A socket that cannot be handed over is one that nobody listens to any more.
        let told = self.told.and_then(|told| told.hand_over().ok());
        HandedVitals { told, ready_told: self.ready_told, watchdog: self.watchdog.time }
    }

    /// The process runs; commands of a probe are started like `launch`, which is there where the plan
    /// wants a probe.
    pub(super) fn begin(
        &mut self,
        spec: &PluginSpec,
        surroundings: &Surroundings,
        pid: u32,
        launch: Option<Launch>,
    ) {
        if let Some(told) = &mut self.told {
            told.believe(pid);
        }
        let (Some(probing), Some(launch)) = (&spec.probe, launch) else { return };
        let prober = Prober {
            probe: probing.probe.clone(),
            spawner: surroundings.spawner.clone(),
            launch,
            policy: spec.health,
            start_period: probing.start_period.unwrap_or(spec.start_timeout),
        };
        let (sender, news) = mpsc::channel(1);
        let mut task = JoinSet::new();
        task.spawn(prober.watch(sender));
        self.probe = Some(Probed { task, news });
    }

    /// The next that is news. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Sign {
        tokio::select! {
            biased;
            message = hear(&mut self.told) => {
                self.ready_told |= message.ready;
                let news = self.watchdog.take(&message);
                Sign::Told(message, news)
            }
            news = judged(&mut self.probe) => {
                self.passed |= news.verdict == Verdict::Well;
                Sign::Health(news)
            }
            news = self.watchdog.barks() => Sign::Health(news),
        }
    }

    /// Whether nothing keeps the plugin from being ready but its sockets.
    pub(super) fn admits(&self) -> bool {
        self.ready_told && self.passed
    }

    /// What it is still waited for, beside its sockets.
    pub(super) fn awaited(&self) -> Option<&'static str> {
        match (self.ready_told, self.passed) {
            (false, _) => Some("it has not told that it is (READY=1)"),
            (true, false) => Some("its probe has not passed"),
            (true, true) => None,
        }
    }

    /// The plugin is ready.
    pub(super) fn is_ready(&mut self) {
        self.watchdog.begin();
    }

    /// Ends the probe, and returns when nothing of it is left but a command that was killed.
    pub(super) async fn end(&mut self) {
        self.watchdog.deadline = None;
        if let Some(probe) = &mut self.probe {
            probe.task.shutdown().await;
        }
    }
}

fn resumed(socket: OwnedFd) -> Result<Told, String> {
    Told::resume(socket).map_err(|error| format!("what it tells cannot be heard: {error}"))
}

async fn hear(told: &mut Option<Told>) -> Message {
    match told {
        Some(told) => told.next().await,
        None => future::pending().await,
    }
}

async fn judged(probe: &mut Option<Probed>) -> News {
    let news = match probe {
        Some(probe) => probe.news.recv().await,
        None => None,
    };
    match news {
        Some(news) => news,
        None => future::pending().await,
    }
}

// === impl Watchdog ===

impl Watchdog {
    fn new(time: Option<Duration>) -> Self {
        Self { time, deadline: None, tally: Tally::new(By::Watchdog, 1) }
    }

    fn begin(&mut self) {
        if self.deadline.is_none() {
            self.deadline = self.time.map(|time| Instant::now() + time);
        }
    }

    /// Takes what the plugin told; gives what is news of its health.
    fn take(&mut self, message: &Message) -> Option<News> {
        if message.watchdog == Some(Fed::Trigger) {
            self.deadline = None;
            return self.tally.failed("it says of itself that it does (WATCHDOG=trigger)".into());
        }
        if message.watchdog_time.is_some() && self.time.is_some() {
            self.time = message.watchdog_time;
        }
        let fed = message.watchdog.is_some() && self.time.is_some();
        if fed || (message.watchdog_time.is_some() && self.deadline.is_some()) {
            self.deadline = self.time.map(|time| Instant::now() + time);
        }
        if fed { self.tally.passed() } else { None }
    }

    /// Waits until the plugin has been silent for too long.
    async fn barks(&mut self) -> News {
        loop {
            let (Some(deadline), Some(time)) = (self.deadline, self.time) else {
                return future::pending().await;
            };
            sleep_until(deadline).await;
            if overslept(deadline, time) {
                // Not the plugin was silent, but replug did not hear.
                self.deadline = Some(Instant::now() + time);
                continue;
            }
            self.deadline = None;
            let time = humantime::format_duration(time);
            if let Some(news) = self.tally.failed(format!("no WATCHDOG=1 for {time}")) {
                return news;
            }
        }
    }
}
