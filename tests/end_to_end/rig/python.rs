//! Python programs: the environments that they need, and an application that is led step by step.
//!
//! There are two environments, because Dapr's SDK and a plugin's stubs both bring a package `dapr`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout};

use super::fixture::{modified, once, run, target, text};
use super::{PATIENCE, ROOT, Status};

/// The interpreter of an environment under target/, made on its first use and again when the list
/// of what it has in it changes.
fn environment(name: &str, inputs: &[&str], make: impl FnOnce(&Path)) -> PathBuf {
    let folder = target().join("python").join(name);
    let stamp = folder.with_extension("stamp");
    let inputs: Vec<_> = inputs.iter().map(|input| Path::new(ROOT).join(input)).collect();
    let current = || inputs.iter().all(|input| modified(input) <= modified(&stamp));
    once(&stamp, current, || make(&folder));
    folder.join("bin/python")
}

/// The interpreter for the sample plugin, made by the sample's own set-up.
fn python_for_plugins() -> &'static Path {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| {
        let inputs = [
            "samples/python/requirements.txt",
            "samples/python/setup.sh",
            "proto/dapr/proto/components/v1/state.proto",
        ];
        environment("plugin", &inputs, |folder| {
            run(Command::new(Path::new(ROOT).join("samples/python/setup.sh")).arg(folder));
        })
    })
}

/// The command of the sample plugin, for plugins.toml.
pub(crate) fn python_sample() -> String {
    let plugin = Path::new(ROOT).join("samples/python/plugin.py");
    format!("[{:?}, {:?}]", text(python_for_plugins()), text(&plugin))
}

/// Runs the sample's own tests.
pub(crate) fn run_unittests() {
    let mut command = Command::new(python_for_plugins());
    command.args(["-B", "-m", "unittest"]).current_dir(Path::new(ROOT).join("samples/python"));
    run(&mut command);
}

/// The interpreter with Dapr's public SDK.
fn python_for_applications() -> &'static Path {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| {
        let requirements = "tests/python/requirements.txt";
        environment("application", &[requirements], |folder| {
            run(Command::new("python3").args(["-m", "venv"]).arg(folder));
            run(Command::new(folder.join("bin/python"))
                .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
                .arg("--requirement")
                .arg(Path::new(ROOT).join(requirements)));
        })
    })
}

/// A running `tests/python/dapr_sdk.py`, which does one step at a time. Killed when dropped.
pub(crate) struct Led {
    _child: Child,
    steps: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

/// Why a step failed: the status code's name as Python has it, and the text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct StepError {
    pub(crate) code: String,
    pub(crate) text: String,
}

impl Led {
    /// Starts it against the replug of that status, and waits until it is connected.
    pub(crate) async fn start(status: &Status, store: &str) -> Self {
        let mut child = tokio::process::Command::new(python_for_applications())
            .arg("-B")
            .arg(Path::new(ROOT).join("tests/python/dapr_sdk.py"))
            .arg(store)
            .env("DAPR_GRPC_ENDPOINT", format!("http://{}", status.address("grpc")))
            .env("DAPR_HTTP_ENDPOINT", format!("http://{}", status.address("http")))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let steps = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut led = Self { _child: child, steps, answers };
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
        let line = tokio::time::timeout(PATIENCE, self.answers.next_line()).await;
        let line = line.expect("the application answers").unwrap();
        serde_json::from_str(&line.expect("the application goes on")).unwrap()
    }
}
