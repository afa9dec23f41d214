//! The sample plugins in Python, Node.js and Java, which all do the same.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use serde_json::json;

use super::fixture::{run, text};
use super::java::java_samples;
use super::node::node_samples;
use super::python::python_samples;
use super::{ROOT, require_tool};

/// The language of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sample {
    Python,
    Node,
    Java,
}

impl Sample {
    /// Whether the machine has what the plugins need. See [`require_tool`].
    pub(crate) fn is_here(self) -> bool {
        match self {
            Self::Python => require_tool("python3", &["--version"]),
            Self::Node => {
                require_tool("node", &["--version"]) && require_tool("npm", &["--version"])
            }
            Self::Java => {
                require_tool("java", &["-version"]) && require_tool("mvn", &["--version"])
            }
        }
    }

    /// What its component types are named after: `python-vault` and so on.
    pub(crate) fn name(self, program: &str) -> String {
        let language = match self {
            Self::Python => "python",
            Self::Node => "node",
            Self::Java => "java",
        };
        format!("{language}-{program}")
    }

    /// The plugin `name`, which runs `vault`, `post` or `mailbox`, for plugins.toml.
    pub(crate) fn plugin(self, name: &str, program: &str) -> String {
        format!("[plugins.{name}]\ncommand = {}\n", json!(self.command(program)))
    }

    fn command(self, program: &str) -> Vec<String> {
        let file = |path: String| text(&Path::new(ROOT).join(path));
        match self {
            Self::Python => {
                let program = file(format!("samples/python/{program}.py"));
                vec![text(python_samples()), "-B".into(), program]
            }
            Self::Node => {
                let modules = format!("NODE_PATH={}", node_samples());
                vec![
                    "env".into(),
                    modules,
                    "node".into(),
                    file(format!("samples/node/{program}.js")),
                ]
            }
            Self::Java => {
                let (first, rest) = program.split_at(1);
                let class = format!("sample.{}{rest}", first.to_uppercase());
                // Quick to start, which counts more here than how fast it gets.
                let java = ["java", "-XX:TieredStopAtLevel=1", "-cp", java_samples()];
                java.into_iter().map(str::to_owned).chain([class]).collect()
            }
        }
    }

    /// Runs the samples' own tests, which are in Python, on the plugins in this language.
    pub(crate) fn run_tests(self) {
        let tests: &[&str] = match self {
            Self::Python => &[],
            Self::Node | Self::Java => &["test_post", "test_vault"],
        };
        let mut command = Command::new(python_samples());
        command.args(["-B", "-m", "unittest"]).args(tests);
        for program in ["vault", "post", "mailbox"] {
            let variable = format!("PLUGIN_{}", program.to_uppercase());
            command.env(variable, json!(self.command(program)).to_string());
        }
        run(command.current_dir(Path::new(ROOT).join("samples/python")));
    }
}

/// The command of the state store in Python, for plugins.toml.
pub(crate) fn python_sample() -> String {
    static COMMAND: OnceLock<String> = OnceLock::new();
    COMMAND.get_or_init(|| json!(Sample::Python.command("plugin")).to_string()).clone()
}
