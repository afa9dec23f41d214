//! The thread on which the keeper works, whichever it is.
//!
//! In replug itself it is the main thread, and has to be. The kernel sends the death signal when the
//! *thread* ends that forked, and an exec ends every thread but one, which becomes the main thread of
//! the next program: only what the main thread forked, and exec'd from, is still its child then and
//! has not been signalled, however often one program follows another.

use std::io;

use tokio::runtime;
use tokio::sync::{mpsc, oneshot};

use super::Spawner;
use super::child::Nursery;
use super::keeper::Keeper;
use super::lives::Lives;
use super::orphans::Orphans;
use super::succession::Heritage;
use super::ward::Ward;
use super::warden::WardenCommand;

/// A thread's place for the keeper. Made with [`Seat::new`]; taken by the thread with
/// [`Seat::serve`] or [`Seat::serve_until`].
#[derive(Debug)]
pub struct Seat(oneshot::Receiver<Call>);

/// Calls the thread on the [`Seat`] to work.
#[derive(Debug)]
pub struct Summons(oneshot::Sender<Call>);

#[derive(Debug)]
struct Call {
    warden: WardenCommand,
    heritage: Option<Heritage>,
    answer: oneshot::Sender<io::Result<Spawner>>,
}

/// What the thread works with.
struct Work {
    runtime: runtime::Runtime,
    keeper: Keeper,
}

// === impl Seat ===

impl Seat {
    /// A seat, and what calls the thread on it to work.
    #[must_use]
    pub fn new() -> (Self, Summons) {
        let (sender, receiver) = oneshot::channel();
        (Self(receiver), Summons(sender))
    }

    /// Waits for the summons, and works until the spawner is finished or gone.
    pub fn serve(self) {
        if let Some(Work { runtime, keeper }) = self.called() {
            runtime.block_on(keeper.run());
        }
    }

    /// As [`Seat::serve`], but returns what `end` brings, as soon as it does, and not before. None:
    /// its sender was dropped.
    #[must_use]
    pub fn serve_until<T>(self, end: oneshot::Receiver<T>) -> Option<T> {
        let Some(Work { runtime, keeper }) = self.called() else {
            return end.blocking_recv().ok();
        };
        runtime.block_on(async {
            let mut end = end;
            tokio::select! {
                biased;
                ended = &mut end => ended.ok(),
                () = keeper.run() => end.await.ok(),
            }
        })
    }

    /// Waits for the summons and follows it. None: there was none, or it could not be followed.
    fn called(self) -> Option<Work> {
        let Call { warden, heritage, answer } = self.0.blocking_recv().ok()?;
        let (requests, receiver) = mpsc::unbounded_channel();
        match Work::prepare(warden, heritage, receiver) {
            Ok(work) => {
                // If nobody waits any more, the requests have no sender and the work is over at once.
                let _ = answer.send(Ok(Spawner::new(requests)));
                Some(work)
            }
            Err(error) => {
                let _ = answer.send(Err(error));
                None
            }
        }
    }
}

// === impl Summons ===

impl Summons {
    /// Has the thread start a warden, or take over the one of the program before, and serve the
    /// spawner.
    ///
    /// Fails where no warden can be started: without one no promise is kept about children that
    /// outlive replug.
    pub async fn call(
        self,
        warden: WardenCommand,
        heritage: Option<Heritage>,
    ) -> io::Result<Spawner> {
        let gone = || io::Error::from(io::ErrorKind::BrokenPipe);
        let (answer, spawner) = oneshot::channel();
        self.0.send(Call { warden, heritage, answer }).map_err(|_| gone())?;
        spawner.await.unwrap_or_else(|_| Err(gone()))
    }
}

// === impl Work ===

impl Work {
    fn prepare(
        warden: WardenCommand,
        heritage: Option<Heritage>,
        requests: mpsc::UnboundedReceiver<super::keeper::Request>,
    ) -> io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let entered = runtime.enter();
        let orphans = Orphans::listen()?;
        let lives = Lives::begin();
        let nursery = Nursery::new()?;
        let orders = lives.standing_orders();
        let (ward, unclaimed) = match heritage {
            None => (Ward::start(warden, orders)?, Vec::new()),
            Some(heritage) => {
                let unclaimed = heritage.processes.clone();
                (Ward::take_over(warden, orders, heritage)?, unclaimed)
            }
        };
        drop(entered);
        Ok(Self {
            runtime,
            keeper: Keeper::new(requests, ward, orphans, lives, nursery, unclaimed),
        })
    }
}
