//! A way to the plugin that is loaded: an address, what is spoken there, and whose time it takes.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinSet;

use super::operation::{Calls, Operation};
use super::tally::Tally;
use super::{http1, http2};
use crate::plugin::COMPONENT;
use crate::vitals::cpu;
use crate::{Failure, PATIENCE};

/// What bytes go over.
pub(super) trait Io: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

/// Where a way begins.
#[derive(Debug, Clone)]
pub(super) enum Address {
    Tcp(String),
    Unix(PathBuf),
}

/// What is spoken there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Speaks {
    /// The plugin's contract.
    Contract,
    /// Dapr over gRPC.
    Grpc,
    /// Dapr over HTTP/1.1.
    Http,
}

/// A way to the plugin.
#[derive(Debug, Clone)]
pub(super) struct Way {
    pub(super) name: &'static str,
    pub(super) address: Address,
    pub(super) speaks: Speaks,
    /// The process between the load and the plugin; none where there is none that counts.
    pub(super) between: Option<u32>,
    /// The plugin's process.
    pub(super) plugin: u32,
}

/// How much is asked for at a time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) connections: usize,
    /// Calls under way on each.
    pub(super) calls: usize,
}

/// The connections of one way, for calls of one kind.
pub(super) struct Lanes {
    lanes: Vec<Lane>,
    calls: usize,
}

enum Lane {
    Http2(http2::Connection),
    Http1(http1::Connection),
}

/// What one round of one way has shown.
#[derive(Debug)]
pub(super) struct Round {
    pub(super) tally: Tally,
    pub(super) seconds: f64,
    /// Microseconds of processor time a call, of the process between and of the plugin.
    pub(super) between: Option<f64>,
    pub(super) plugin: f64,
    /// The same of the load itself.
    pub(super) load: f64,
}

// === impl Way ===

impl Way {
    /// Its calls of that operation.
    fn calls(&self, operation: Operation, size: usize) -> Calls {
        match self.speaks {
            Speaks::Contract => operation.to_plugin(size),
            Speaks::Grpc => operation.over_grpc(size),
            Speaks::Http => operation.over_http(size),
        }
    }

    /// Connects.
    pub(super) async fn lanes(
        &self,
        operation: Operation,
        size: usize,
        shape: Shape,
    ) -> Result<Lanes, Failure> {
        let calls = self.calls(operation, size);
        // HTTP/1.1 has one call at a time on a connection.
        let Shape { connections, calls: at_once } = match self.speaks {
            Speaks::Http => Shape { connections: shape.connections * shape.calls, calls: 1 },
            _ => shape,
        };
        let mut lanes = Vec::new();
        for _ in 0..connections {
            let io = self.dial().await?;
            let calls = calls.clone();
            lanes.push(match self.speaks {
                Speaks::Http => Lane::Http1(http1::Connection::new(io, calls)),
                Speaks::Grpc => Lane::Http2(http2::Connection::new(io, calls, &[])),
                Speaks::Contract => Lane::Http2(http2::Connection::new(
                    io,
                    calls,
                    &[("x-component-instance", COMPONENT)],
                )),
            });
        }
        Ok(Lanes { lanes, calls: at_once })
    }

    /// Stores every key that a read asks for.
    pub(super) async fn fill(&self, size: usize) -> Result<(), Failure> {
        let once = Shape { connections: 1, calls: 1 };
        let keys = self.calls(Operation::Save, size).requests.len();
        let mut lanes = self.lanes(Operation::Save, size, once).await?;
        let stored = lanes.run(Instant::now() + PATIENCE, keys).await?;
        if stored.good() == keys {
            Ok(())
        } else {
            Err(format!("{}: only {} of {keys} keys were stored", self.name, stored.good()).into())
        }
    }

    /// Loads it for so long.
    pub(super) async fn round(&self, lanes: &mut Lanes, time: Duration) -> Result<Round, Failure> {
        let spent = || -> Result<_, Failure> {
            let between = self.between.map(cpu).transpose()?.unwrap_or_default();
            Ok((between, cpu(self.plugin)?, cpu(std::process::id())?))
        };
        let before = spent()?;
        let began = Instant::now();
        let tally = lanes.run(began + time, usize::MAX).await?;
        let seconds = began.elapsed().as_secs_f64();
        let after = spent()?;
        let calls = u32::try_from((tally.good() + tally.failed).max(1))?;
        let each = |before: Duration, after: Duration| {
            after.saturating_sub(before).as_secs_f64() * 1e6 / f64::from(calls)
        };
        let between = self.between.map(|_| each(before.0, after.0));
        Ok(Round {
            tally,
            seconds,
            between,
            plugin: each(before.1, after.1),
            load: each(before.2, after.2),
        })
    }

    async fn dial(&self) -> Result<Box<dyn Io>, Failure> {
        Ok(match &self.address {
            Address::Unix(path) => Box::new(UnixStream::connect(path).await?),
            Address::Tcp(address) => {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                Box::new(stream)
            }
        })
    }
}

// === impl Lanes ===

impl Lanes {
    async fn run(&mut self, until: Instant, most: usize) -> Result<Tally, Failure> {
        let mut running = JoinSet::new();
        let at_once = self.calls;
        for mut lane in self.lanes.drain(..) {
            running.spawn(async move {
                let mut tally = Tally::default();
                match &mut lane {
                    Lane::Http2(lane) => lane.run(at_once, until, most, &mut tally).await?,
                    Lane::Http1(lane) => lane.run(until, most, &mut tally).await?,
                }
                Ok::<_, Failure>((lane, tally))
            });
        }
        let mut all = Tally::default();
        while let Some(ran) = running.join_next().await {
            let (lane, tally) = ran??;
            self.lanes.push(lane);
            all.add(tally);
        }
        Ok(all)
    }
}

// === impl Shape ===

impl Shape {
    /// One call at a time.
    pub(super) fn is_lone(self) -> bool {
        self.connections * self.calls == 1
    }
}
