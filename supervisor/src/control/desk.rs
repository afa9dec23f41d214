//! Where the control API's calls arrive. What each does is in a file of its own, a family of rpcs per
//! file; here is only which is which, since a trait's methods have to stand in one place.

mod check;
mod findings;
mod lifecycle;
mod logs;
mod reload;
mod signal;
mod status;
mod upgrade;
mod watch;

use std::sync::Arc;
use std::time::SystemTime;

use replug_proto::replug::control::v1 as pb;
use replug_proto::replug::control::v1::control_server::Control;
use replug_runtime::app::Application;
use replug_runtime::registry::Registry;
use tokio::sync::watch as channel;
use tonic::codegen::BoxStream;
use tonic::{Request, Response, Status};

pub use self::upgrade::UpgradeDesk;
use super::peer::Peer;
use crate::events::{Journal, Kind, about};
use crate::instance;
use crate::output::PluginLog;
use crate::reload::Reload;
use crate::supervisor::{PluginError, Supervisor};

/// What status tells of replug itself.
#[derive(Debug, Clone)]
pub struct About {
    /// The version of replug.
    pub version: String,
    /// The application's name.
    pub app_id: String,
    /// Where applications call, such as `grpc 127.0.0.1:50001`.
    pub listeners: Vec<String>,
    /// The application that replug calls, if it calls one.
    pub application: Option<Application>,
    /// When it was started; an upgrade is no start.
    pub started: SystemTime,
    /// Upgrades, past and to come.
    pub upgrade: UpgradeDesk,
}

/// What the calls are answered from.
pub(super) struct Desk {
    pub(super) about: About,
    pub(super) supervisor: Arc<Supervisor>,
    pub(super) registry: Arc<Registry>,
    pub(super) journal: Journal,
    /// What plugins have printed.
    pub(super) log: PluginLog,
    /// True once replug ends.
    pub(super) ended: channel::Receiver<bool>,
    pub(super) reload: Reload,
}

impl Desk {
    /// Writes down what is asked of a plugin, and by whom.
    fn asked<T>(&self, request: &Request<T>, what: &str, plugin: &str) {
        let by = request.extensions().get::<Peer>();
        let by = by.map(|peer| format!(", asked by {peer}")).unwrap_or_default();
        let (plugin, instance) = instance::split(plugin).unwrap_or((plugin, 0));
        let event = about(plugin, Kind::Asked, format!("{what}{by}"));
        self.journal.record(pb::Event { instance, ..event });
    }
}

/// What an rpc gives.
type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl Control for Desk {
    async fn status(&self, request: Request<pb::StatusRequest>) -> Answer<pb::StatusResponse> {
        Ok(Response::new(status::status(self, request.into_inner()).await))
    }

    async fn restart(&self, request: Request<pb::RestartRequest>) -> Answer<pb::RestartResponse> {
        self.asked(&request, "restart", &request.get_ref().plugin);
        lifecycle::restart(self, request.into_inner()).await.map(Response::new)
    }

    async fn start(&self, request: Request<pb::StartRequest>) -> Answer<pb::StartResponse> {
        self.asked(&request, "start", &request.get_ref().plugin);
        lifecycle::start(self, request.into_inner()).await.map(Response::new)
    }

    async fn stop(&self, request: Request<pb::StopRequest>) -> Answer<pb::StopResponse> {
        self.asked(&request, "stop", &request.get_ref().plugin);
        lifecycle::stop(self, request.into_inner()).await.map(Response::new)
    }

    async fn reload(&self, request: Request<pb::ReloadRequest>) -> Answer<pb::ReloadResponse> {
        if !request.get_ref().dry_run {
            self.asked(&request, "reload", "");
        }
        reload::reload(self, request.into_inner()).await.map(Response::new)
    }

    async fn check(&self, request: Request<pb::CheckRequest>) -> Answer<pb::CheckResponse> {
        check::check(self, request).await.map(Response::new)
    }

    async fn upgrade(&self, request: Request<pb::UpgradeRequest>) -> Answer<pb::UpgradeResponse> {
        self.asked(&request, "upgrade", "");
        upgrade::upgrade(self, request.into_inner()).await.map(Response::new)
    }

    async fn await_upgrade(
        &self,
        request: Request<pb::AwaitUpgradeRequest>,
    ) -> Answer<pb::AwaitUpgradeResponse> {
        upgrade::await_upgrade(self, request.into_inner()).await.map(Response::new)
    }

    async fn wait(&self, request: Request<pb::WaitRequest>) -> Answer<pb::WaitResponse> {
        lifecycle::wait(self, request.into_inner()).await.map(Response::new)
    }

    async fn signal(&self, request: Request<pb::SignalRequest>) -> Answer<pb::SignalResponse> {
        let what = format!("signal {}", request.get_ref().signal);
        self.asked(&request, &what, &request.get_ref().plugin);
        signal::signal(self, request.into_inner()).await.map(Response::new)
    }

    async fn components(
        &self,
        _: Request<pb::ComponentsRequest>,
    ) -> Answer<pb::ComponentsResponse> {
        Ok(Response::new(status::components(self)))
    }

    async fn watch(
        &self,
        request: Request<pb::WatchRequest>,
    ) -> Answer<BoxStream<pb::WatchResponse>> {
        watch::watch(self, request.into_inner()).map(Response::new)
    }

    async fn logs(&self, request: Request<pb::LogsRequest>) -> Answer<BoxStream<pb::LogLine>> {
        logs::logs(self, request.into_inner()).map(Response::new)
    }
}

/// What is said of a plugin that could not be done as asked.
fn refusal(error: PluginError) -> Status {
    match error {
        PluginError::Unknown { .. } | PluginError::NoInstance { .. } => {
            Status::not_found(error.to_string())
        }
        PluginError::Found(_) | PluginError::Taken(_) => {
            Status::invalid_argument(error.to_string())
        }
        PluginError::NotReady { .. }
        | PluginError::NotReplaced { .. }
        | PluginError::Failed { .. }
        | PluginError::NoProcess(_) => Status::failed_precondition(error.to_string()),
        PluginError::Stopping => Status::unavailable(error.to_string()),
    }
}
