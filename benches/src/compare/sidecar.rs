//! A sidecar of either kind, and the pair that is compared.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::Stdio;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::app::App;
use super::grpc::Application;
use super::mask::Mask;
use super::setup::Setup;
use crate::{Failure, PATIENCE};

/// The application's name at both.
pub(super) const APP_ID: &str = "compared";

/// How many of the last lines are shown of a sidecar that does not start.
const LAST_LINES: usize = 20;

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
        let (daprd, replug) = tokio::join!(
            Sidecar::start(Command::new(daprd), setup),
            Sidecar::start(
                {
                    let mut command = Command::new(replug);
                    command.arg("daprd");
                    command
                },
                setup
            ),
        );
        Ok(Self { daprd: daprd?, replug: replug? })
    }
}

// === impl Sidecar ===

impl Sidecar {
    async fn start(mut command: Command, setup: &Setup) -> Result<Self, Failure> {
        let home = tempfile::Builder::new().prefix("rpb").tempdir()?;
        let app = if setup.application { Some(App::start().await?) } else { None };
        let called = if setup.over_grpc { Some(Application::start().await?) } else { None };
        let port = app.as_ref().map(App::port).or(called.as_ref().map(Application::port));
        let flags = setup.write(home.path(), port)?;
        let [http, grpc, internal, metrics] = free_ports()?;
        clean(&mut command);
        command
            .args(["--app-id", APP_ID, "--dapr-listen-addresses", "127.0.0.1"])
            .args(["--metrics-listen-address", "127.0.0.1"])
            .args(["--dapr-http-port", &http.to_string(), "--dapr-grpc-port", &grpc.to_string()])
            .args(["--metrics-port", &metrics.to_string()])
            .args(["--dapr-internal-grpc-port", &internal.to_string()])
            .args(flags)
            .envs(setup.variables.iter().copied())
            .env("DAPR_COMPONENTS_SOCKETS_FOLDER", home.path().join("sockets"))
            .current_dir(home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        let mut child = command.spawn()?;
        runs(&mut child).await?;
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
    pub(super) async fn ended(&mut self) -> Result<Option<i32>, Failure> {
        let ended = timeout(PATIENCE, self.child.wait()).await;
        Ok(ended.map_err(|_| "a sidecar does not end")??.code())
    }
}

/// Takes from its environment what would say something to it.
fn clean(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let said = name.to_string_lossy();
        let prefixes = ["REPLUG_", "DAPR_", "LAYOTTO_", "OTEL_"];
        if prefixes.iter().any(|prefix| said.starts_with(prefix)) {
            command.env_remove(name);
        }
    }
}

/// Waits until it says that it runs. What it says after that is read and left.
async fn runs(child: &mut Child) -> Result<(), Failure> {
    let stdout = child.stdout.take().ok_or("a sidecar has no standard output")?;
    let mut lines = BufReader::new(stdout).lines();
    let mut said = VecDeque::new();
    let running = timeout(PATIENCE, async {
        while let Ok(Some(line)) = lines.next_line().await {
            if line.contains("dapr initialized. Status: Running") {
                return true;
            }
            said.push_back(line);
            if said.len() > LAST_LINES {
                said.pop_front();
            }
        }
        false
    });
    if !running.await.unwrap_or(false) {
        let said: Vec<_> = said.into();
        return Err(format!("a sidecar does not run:\n{}", said.join("\n")).into());
    }
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Ok(())
}

/// Ports that nobody has at this moment.
fn free_ports() -> Result<[u16; 4], Failure> {
    let listeners = [(); 4].map(|()| TcpListener::bind("127.0.0.1:0"));
    let mut ports = [0; 4];
    for (port, listener) in ports.iter_mut().zip(&listeners) {
        let listener = listener.as_ref().map_err(ToString::to_string)?;
        *port = listener.local_addr()?.port();
    }
    Ok(ports)
}
