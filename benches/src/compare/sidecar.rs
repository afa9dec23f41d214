//! A sidecar of either kind, and the pair that is compared.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::app::App;
use super::comparison::{Comparison, Expected};
use super::grpc::Application;
use super::mask::Mask;
use super::setup::Setup;
use crate::daprd::start_on_free_ports;
use crate::replug::clean;
use crate::{Failure, PATIENCE};

/// The application's name at both.
pub(super) const APP_ID: &str = "compared";

/// Both, started alike.
pub(super) struct Pair {
    pub(super) daprd: Sidecar,
    pub(super) replug: Sidecar,
}

/// A running daprd, or a replug in its place. Killed when dropped.
pub(super) struct Sidecar {
    child: Child,
    pub(super) http: SocketAddr,
    pub(super) grpc: SocketAddr,
    pub(super) metrics: SocketAddr,
    pub(super) app: Option<App>,
    /// The application, where it is called over gRPC.
    pub(super) called: Option<Application>,
    /// What is its own, and not to be compared.
    pub(super) mask: Mask,
    _home: TempDir,
}

// === impl Pair ===

impl Pair {
    /// Starts daprd, and replug in its place, and waits until both say that they run.
    pub(super) async fn start(daprd: &Path, replug: &Path, setup: &Setup) -> Result<Self, Failure> {
        let in_its_place = || {
            let mut command = clean(replug);
            command.arg("daprd");
            command
        };
        let (daprd, replug) = tokio::join!(
            Sidecar::start(|| clean(daprd), setup),
            Sidecar::start(in_its_place, setup),
        );
        Ok(Self { daprd: daprd?, replug: replug? })
    }

    /// Waits until both have ended by themselves, and compares with which code.
    pub(super) async fn compare_ends(
        &mut self,
        group: &'static str,
        comparison: &mut Comparison,
    ) -> Result<(), Failure> {
        let (daprd, replug) = tokio::join!(self.daprd.ended(), self.replug.ended());
        let code = |code| vec![("exit code".to_owned(), format!("{code:?}"))];
        comparison.add(group, "the end", Expected::Same, &code(daprd?), &code(replug?));
        Ok(())
    }
}

// === impl Sidecar ===

impl Sidecar {
    async fn start(program: impl Fn() -> Command, setup: &Setup) -> Result<Self, Failure> {
        let home = tempfile::Builder::new().prefix("rpb").tempdir()?;
        let app = if setup.application { Some(App::start().await?) } else { None };
        let called = if setup.over_grpc { Some(Application::start().await?) } else { None };
        let port = app.as_ref().map(App::port).or(called.as_ref().map(Application::port));
        let flags = setup.write(home.path(), port)?;
        let command = |[http, grpc, internal, metrics]: [u16; 4]| {
            let mut command = program();
            command
                .args(["--app-id", APP_ID, "--dapr-listen-addresses", "127.0.0.1"])
                .args(["--metrics-listen-address", "127.0.0.1"])
                .args(["--dapr-http-port", &http.to_string()])
                .args(["--dapr-grpc-port", &grpc.to_string()])
                .args(["--metrics-port", &metrics.to_string()])
                .args(["--dapr-internal-grpc-port", &internal.to_string()])
                .args(&flags)
                .envs(setup.variables.iter().copied())
                .env("DAPR_COMPONENTS_SOCKETS_FOLDER", home.path().join("sockets"))
                // Where replug would have its control socket by the application's name, which others
                // have.
                .env("RUNTIME_DIRECTORY", home.path())
                .current_dir(home.path());
            command
        };
        let (child, [http, grpc, internal, metrics]) = start_on_free_ports(command).await?;
        let mut mask = Mask::default();
        mask.own("home", &home.path().to_string_lossy());
        for (name, port) in
            [("http", http), ("grpc", grpc), ("internal", internal), ("metrics", metrics)]
        {
            mask.own(name, &port.to_string());
        }
        if let Some(port) = port {
            mask.own("app", &port.to_string());
        }
        let at = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let (http, grpc, metrics) = (at(http), at(grpc), at(metrics));
        Ok(Self { child, http, grpc, metrics, app, called, mask, _home: home })
    }

    /// Waits until it has ended by itself, and says its exit code; none: a signal ended it.
    async fn ended(&mut self) -> Result<Option<i32>, Failure> {
        let ended = timeout(PATIENCE, self.child.wait()).await;
        Ok(ended.map_err(|_| "a sidecar does not end")??.code())
    }
}
