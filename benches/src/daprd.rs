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

/// How often a sidecar is started with other ports, since somebody else has taken one.
const OTHER_PORTS: u32 = 5;

/// What a sidecar of either kind says of a port that is another's.
const TAKEN: &str = "in use";

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
        let command = |[grpc, http, internal]: [u16; 3]| {
            let mut command = Command::new(program);
            command
                .args(["--app-id", APP_ID, "--log-level", "info", "--enable-metrics=false"])
                .args(["--dapr-listen-addresses", "127.0.0.1"])
                .args(["--dapr-grpc-port", &grpc.to_string()])
                .args(["--dapr-http-port", &http.to_string()])
                .args(["--dapr-internal-grpc-port", &internal.to_string(), "--resources-path"])
                .arg(resources.path())
                .env("DAPR_COMPONENTS_SOCKETS_FOLDER", by_hand.folder())
                .stdin(Stdio::null())
                .kill_on_drop(true);
            if let Some(port) = application {
                command.args(["--app-port", &port.to_string(), "--app-protocol", "http"]);
            }
            command
        };
        let (child, [grpc, http, _]) = start_on_free_ports(command)
            .await
            .map_err(|error| format!("{}: {error}", program.display()))?;
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

/// Starts a sidecar, made by `command` for these ports, and waits until it says that it runs. It has
/// others where somebody takes one before it does: daprd cannot be told to find its own.
pub(crate) async fn start_on_free_ports<const N: usize>(
    command: impl Fn([u16; N]) -> Command,
) -> Result<(Child, [u16; N]), Failure> {
    let mut left = OTHER_PORTS;
    loop {
        let ports = free_ports()?;
        let mut command = command(ports);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        match until_running(&mut child).await {
            Ok(()) => return Ok((child, ports)),
            Err(error) if left == 0 || !error.to_string().contains(TAKEN) => return Err(error),
            Err(_) => left -= 1,
        }
    }
}

/// Waits until a sidecar says that it runs. What it says after that is read and left.
async fn until_running(child: &mut Child) -> Result<(), Failure> {
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
fn free_ports<const N: usize>() -> Result<[u16; N], Failure> {
    let listeners = [(); N].map(|()| TcpListener::bind("127.0.0.1:0"));
    let mut ports = [0; N];
    for (port, listener) in ports.iter_mut().zip(&listeners) {
        let listener = listener.as_ref().map_err(ToString::to_string)?;
        *port = listener.local_addr()?.port();
    }
    Ok(ports)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[tokio::test]
    async fn a_sidecar_whose_port_is_taken_is_started_with_others_and_one_that_fails_is_not() {
        let given = Mutex::new(Vec::new());
        let saying = |ports: [u16; 2], taken: usize, otherwise: &str| {
            let mut given = given.lock().unwrap();
            given.push(ports);
            let says = "echo 'listen tcp: bind: address already in use'";
            let mut command = Command::new("sh");
            command.args(["-c", if given.len() <= taken { says } else { otherwise }]);
            command.kill_on_drop(true);
            command
        };
        let running = "echo 'dapr initialized. Status: Running.'; exec sleep 1000";
        let started = start_on_free_ports(|ports| saying(ports, 2, running)).await;
        let (_child, ports) = started.unwrap();
        let starts = std::mem::take(&mut *given.lock().unwrap());
        assert_eq!((starts.len(), starts.last()), (3, Some(&ports)));
        assert_ne!(ports[0], ports[1]);

        let failed = start_on_free_ports(|ports| saying(ports, 0, "echo 'no such file'")).await;
        assert!(failed.unwrap_err().to_string().contains("no such file"));
        assert_eq!(std::mem::take(&mut *given.lock().unwrap()).len(), 1);

        let failed = start_on_free_ports(|ports| saying(ports, usize::MAX, "")).await;
        assert!(failed.unwrap_err().to_string().contains(TAKEN));
    }
}
