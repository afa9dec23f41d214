//! Dapr's sidecar with the same plugin, for comparison.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::by_hand::ByHand;
use crate::plugin::{APP_ID, Plugin};
use crate::{Failure, PATIENCE};

/// How many of the last lines are shown of a sidecar that does not start.
const LAST_LINES: usize = 20;

/// A running daprd, over a plugin that was started by hand. Killed when dropped.
pub(crate) struct Daprd {
    child: Child,
    pub(crate) plugin: ByHand,
    pub(crate) grpc: String,
    pub(crate) http: String,
    _resources: TempDir,
}

impl Daprd {
    /// Starts it with one component on the plugin, whose data is in `data`, for an application on that
    /// port, if there is one.
    pub(crate) async fn start(
        program: &Path,
        plugin: &Plugin,
        data: &Path,
        application: Option<u16>,
    ) -> Result<Self, Failure> {
        let by_hand = ByHand::start(plugin).await?;
        let resources = tempfile::Builder::new().prefix("rpb").tempdir()?;
        let mut component = format!(
            "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata:\n  name: {}\n\
             spec:\n  type: {}\n  version: v1\n  metadata:\n  - name: bench\n    value: \"true\"\n",
            plugin.component,
            plugin.component_type()
        );
        for (name, value) in plugin.metadata(data) {
            let _ = writeln!(component, "  - name: {name}\n    value: {value:?}");
        }
        std::fs::write(resources.path().join("component.yaml"), component)?;
        let [grpc, http, internal] = free_ports()?;
        let mut command = Command::new(program);
        command
            .args(["--app-id", APP_ID, "--log-level", "info", "--enable-metrics=false"])
            .args(["--dapr-listen-addresses", "127.0.0.1"])
            .args(["--dapr-grpc-port", &grpc.to_string(), "--dapr-http-port", &http.to_string()])
            .args(["--dapr-internal-grpc-port", &internal.to_string(), "--resources-path"])
            .arg(resources.path())
            .env("DAPR_COMPONENTS_SOCKETS_FOLDER", by_hand.folder())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        if let Some(port) = application {
            command.args(["--app-port", &port.to_string(), "--app-protocol", "http"]);
        }
        let mut child =
            command.spawn().map_err(|error| format!("{}: {error}", program.display()))?;
        until_running(&mut child).await?;
        let address = |port| format!("127.0.0.1:{port}");
        Ok(Self {
            child,
            plugin: by_hand,
            grpc: address(grpc),
            http: address(http),
            _resources: resources,
        })
    }

    pub(crate) fn pid(&self) -> Result<u32, Failure> {
        Ok(self.child.id().ok_or("daprd has ended")?)
    }
}

/// Waits until a sidecar says that it runs. What it says after that is read and left.
pub(crate) async fn until_running(child: &mut Child) -> Result<(), Failure> {
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

/// Ports that nobody has at this moment; daprd cannot be told to find its own and say which.
pub(crate) fn free_ports<const N: usize>() -> Result<[u16; N], Failure> {
    let listeners = [(); N].map(|()| TcpListener::bind("127.0.0.1:0"));
    let mut ports = [0; N];
    for (port, listener) in ports.iter_mut().zip(&listeners) {
        let listener = listener.as_ref().map_err(ToString::to_string)?;
        *port = listener.local_addr()?.port();
    }
    Ok(ports)
}
