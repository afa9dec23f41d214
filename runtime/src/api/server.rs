//! The servers of all APIs, from bound addresses to the end.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join, join_all, join3};
use tokio::sync::{mpsc, watch};

use super::connections::{self, LastCalls, OverHttp, Protocol};
use super::dapr::Dapr;
use super::dapr::http::HttpPort;
use super::grpc::{self, GrpcPort, OverHttp2};
use super::health::{Health, Phase};
use super::listener::{BindErrors, Given, ListenAddress, Listener, Pool};
use super::settings::ApiSettings;
use crate::registry::Registry;

/// How much larger a head over gRPC may be than one over HTTP: tokens of users are longer than that.
/// Dapr lets in a thousand times as much.
const GRPC_HEADS: usize = 16;

/// The share of a stop's grace that answers have to leave, of callers who wait until then: one in
/// so many parts.
const LAST_WORDS: u32 = 10;

/// What an application asked for over the shutdown API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShutdownRequest {
    /// The runtime is to end as after a signal.
    Graceful,
    /// The process is to end at once, without a graceful stop, and to say so by its exit code. The
    /// answer to this is still on its way: Dapr gives it 100 ms.
    AtOnce,
}

/// How serving ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// For good: nothing listens any more.
    Stop {
        /// How long calls that are under way have.
        grace: Duration,
    },
    /// For a moment, until somebody goes on with the same sockets: who connects meanwhile waits.
    HandOver {
        /// How long calls that are under way have.
        grace: Duration,
    },
}

/// The APIs with their addresses bound: clients can connect, and are answered once this is served.
#[derive(Debug)]
pub struct Bound {
    settings: ApiSettings,
    grpc: Vec<Listener>,
    http: Vec<Listener>,
    public: Vec<Listener>,
    health: Health,
    last_calls: LastCalls,
}

impl Bound {
    /// Binds every address of the settings, or tells all those that cannot be had.
    pub async fn bind(settings: ApiSettings) -> Result<Self, BindErrors> {
        Self::bind_or_take(settings, Vec::new()).await
    }

    /// As [`Bound::bind`], with sockets that were passed to this process. Those called `grpc` or
    /// `http` take the place of all addresses that the settings have for that API, unless they have
    /// none; any other is taken for the address that it listens on. What nothing wants is told of in
    /// the log and closed.
    pub async fn bind_or_take(
        settings: ApiSettings,
        given: Vec<Given>,
    ) -> Result<Self, BindErrors> {
        let mut given = Pool::new(given);
        let mut errors = Vec::new();
        let mut listeners = [Vec::new(), Vec::new(), Vec::new()];
        let wanted = [
            ("grpc", "Dapr over gRPC", &settings.grpc),
            ("http", "Dapr over HTTP", &settings.http),
            ("public", "Dapr's public port", &settings.public),
        ];
        for (bound, (name, purpose, addresses)) in listeners.iter_mut().zip(wanted) {
            if !addresses.is_empty() {
                *bound = given.named(name);
            }
            if !bound.is_empty() {
                continue;
            }
            for address in addresses {
                match given.bound_for(purpose, address).or_else(|| given.at(address)) {
                    Some(listener) => bound.push(listener),
                    None => match Listener::bind(purpose, address).await {
                        Ok(listener) => bound.push(listener),
                        Err(error) => errors.push(error),
                    },
                }
            }
        }
        given.close();
        let [grpc, http, public] = listeners;
        if errors.is_empty() {
            let (health, last_calls) = (Health::new(), LastCalls::default());
            Ok(Self { settings, grpc, http, public, health, last_calls })
        } else {
            Err(BindErrors(errors))
        }
    }

    /// How they are served from now on. Where they listen stays as it is.
    pub fn set(&mut self, settings: ApiSettings) {
        self.settings = settings;
    }

    /// Where gRPC is served, ports found.
    #[must_use]
    pub fn grpc_addresses(&self) -> Vec<ListenAddress> {
        self.grpc.iter().map(|listener| listener.address().clone()).collect()
    }

    /// Where HTTP is served, ports found.
    #[must_use]
    pub fn http_addresses(&self) -> Vec<ListenAddress> {
        self.http.iter().map(|listener| listener.address().clone()).collect()
    }

    /// What health checks are told. It stands at [`Phase::Starting`] until somebody says more.
    #[must_use]
    pub fn health(&self) -> Health {
        self.health.clone()
    }

    /// Lets clients go, while this is served the next time.
    #[must_use]
    pub fn last_calls(&self) -> LastCalls {
        self.last_calls.clone()
    }

    /// Answers calls on the registry's components until `end` resolves. From then on nothing is
    /// accepted, clients are asked to go, and after the ending's grace what is still under way is cut
    /// off. Shutdown that applications ask for is passed to `requests`; it stops nothing by itself.
    /// Gives everything back, to be served again or passed on, after [`Ending::HandOver`].
    ///
    /// Dropping the future ends every connection at once.
    pub async fn serve(
        self,
        registry: Arc<Registry>,
        requests: mpsc::Sender<ShutdownRequest>,
        end: impl Future<Output = Ending>,
    ) -> Option<Self> {
        let Self { settings, grpc, http, public, health, last_calls } = self;
        let (ending, ended) = watch::channel(None);
        let dapr =
            Dapr::new(registry.clone(), settings.clone(), health.clone(), requests, ended.clone());
        let dapr = Arc::new(dapr);
        let (grpc_port, reporter) = GrpcPort::new(&dapr, &registry, &settings);
        let public_port = HttpPort::public(dapr.clone());
        let http_port = HttpPort::new(dapr);

        let most = settings.max_connections.max(1);
        // Dapr's slack is as much again.
        let head = settings.read_buffer.saturating_mul(2);
        let protocol = if settings.h2c { Protocol::Either } else { Protocol::Http1 };
        let over_grpc = OverHttp2::new(grpc_port, head.saturating_mul(GRPC_HEADS));
        let over_http = OverHttp::new(http_port, protocol, head, last_calls.clone());
        let over_public = OverHttp::new(public_port, protocol, head, last_calls);
        let serving = join3(
            join_all(grpc.into_iter().map(|listener| {
                connections::serve(listener, most, over_grpc.clone(), ended.clone())
            })),
            join_all(http.into_iter().map(|listener| {
                connections::serve(listener, most, over_http.clone(), ended.clone())
            })),
            join_all(public.into_iter().map(|listener| {
                connections::serve(listener, most, over_public.clone(), ended.clone())
            })),
        );
        let end = async {
            let how = end.await;
            if matches!(how, Ending::Stop { .. }) {
                health.reached(Phase::Stopping);
            }
            ending.send_replace(Some(how));
        };
        let parting = part(&registry, ended.clone());
        let (grpc, http, public) = tokio::select! {
            (listeners, ()) = join(serving, end) => listeners,
            () = grpc::tell_health(&health, reporter) => return None,
            () = parting => return None,
        };
        let grpc = grpc.into_iter().collect::<Option<_>>()?;
        let http = http.into_iter().collect::<Option<_>>()?;
        let public = public.into_iter().collect::<Option<_>>()?;
        // Those of the next time are others.
        let last_calls = LastCalls::default();
        Some(Self { settings, grpc, http, public, health, last_calls })
    }

    /// The sockets, for the next program: all that it needs to go on with them. They stay open here.
    pub fn passed_on(&self) -> io::Result<Vec<Given>> {
        self.grpc.iter().chain(&self.http).chain(&self.public).map(Listener::passed_on).collect()
    }
}

/// Answers those who still wait for a plugin when a stop's grace is nearly over, and resolves never:
/// they would be cut off without a word.
async fn part(registry: &Registry, mut ended: watch::Receiver<Option<Ending>>) {
    let how = ended.wait_for(Option::is_some).await.ok().and_then(|how| *how);
    if let Some(Ending::Stop { grace }) = how {
        tokio::time::sleep(grace.saturating_sub(grace / LAST_WORDS)).await;
        registry.part("replug is stopping");
    }
    std::future::pending::<()>().await;
}
