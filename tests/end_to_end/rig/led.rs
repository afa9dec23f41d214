//! An application on a public SDK, in a process of its own, led step by step.

use std::process::Stdio;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout};

use super::{PATIENCE, Sdk, Status};

/// What answers begin with, since SDKs print as well.
const ANSWER: &str = "answer ";

/// A running application of `tests/clients`, which does one step at a time. Killed when dropped.
pub(crate) struct Led {
    _child: Child,
    steps: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

/// Why a step failed: the status code as the SDK names it, and the text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct StepError {
    pub(crate) code: String,
    pub(crate) text: String,
}

impl Led {
    /// Starts it against the replug of that status, with the component that it uses for each
    /// block, and waits until it is connected.
    ///
    /// Where it is given a port it serves there.
    pub(crate) async fn start(
        sdk: Sdk,
        status: &Status,
        components: Value,
        port: Option<u16>,
    ) -> Self {
        let (grpc, http) = (status.address("grpc"), status.address("http"));
        let mut child = sdk
            .application()
            .envs(port.map(|port| ("APP_PORT", port.to_string())))
            .arg(components.to_string())
            .env("DAPR_GRPC_ENDPOINT", format!("http://{grpc}"))
            .env("DAPR_GRPC_PORT", grpc.port().to_string())
            .env("DAPR_HTTP_ENDPOINT", format!("http://{http}"))
            .env("DAPR_HTTP_PORT", http.port().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let steps = child.stdin.take().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut led = Self { _child: child, steps, lines };
        assert_eq!(led.answer().await, json!({ "ok": "connected" }));
        led
    }

    /// Has it do a step.
    pub(crate) async fn step<T: DeserializeOwned>(
        &mut self,
        step: &str,
        arguments: Value,
    ) -> Result<T, StepError> {
        let line = format!("{}\n", json!({ "step": step, "arguments": arguments }));
        self.steps.write_all(line.as_bytes()).await.unwrap();
        let mut answer = self.answer().await;
        if let Some(text) = answer["error"].as_str() {
            let code = answer["code"].as_str().unwrap_or_default().to_owned();
            return Err(StepError { code, text: text.to_owned() });
        }
        Ok(serde_json::from_value(answer["ok"].take()).unwrap())
    }

    async fn answer(&mut self) -> Value {
        let answer = tokio::time::timeout(PATIENCE, async {
            loop {
                let line = self.lines.next_line().await.unwrap();
                let line = line.expect("the application goes on");
                if let Some(answer) = line.strip_prefix(ANSWER) {
                    return serde_json::from_str(answer).unwrap();
                }
            }
        });
        answer.await.expect("the application answers")
    }
}
