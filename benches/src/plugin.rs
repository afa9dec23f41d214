//! The plugins that are measured: how each is started, declared and reached.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use tokio::process::Command;

use crate::Failure;
use crate::home::{Home, text};

/// The repository.
fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// How the plugin and the component of every plan are called.
pub(crate) const PLUGIN: &str = "store";
pub(crate) const COMPONENT: &str = "kv";

/// The application that replug and daprd stand beside, which begins every stored key.
pub(crate) const APP_ID: &str = "bench";

/// The component that messages are published to, its plugin, and the topic.
pub(crate) const BUS: &str = "bus";
pub(crate) const TOPIC: &str = "news";

/// The component that is invoked, and its plugin.
pub(crate) const BINDING: &str = "outside";
pub(crate) const ECHO: &str = "echo";

/// A plugin by its name on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Name {
    /// The built-in SQLite store in a process of its own
    Sqlite,
    /// samples/rust
    RustSample,
    /// samples/python
    Python,
    /// tests/plugins/go-state, on Dapr's SDK for Go
    Go,
    /// tests/plugins/go-bus, a pubsub on the same
    GoBus,
    /// tests/plugins/go-binding, a binding on the same
    GoEcho,
    /// The built-in file of secrets in a process of its own
    Secrets,
}

/// A plugin that is there and can be started.
#[derive(Debug)]
pub(crate) struct Plugin {
    pub(crate) name: &'static str,
    /// How its component is called.
    pub(crate) component: &'static str,
    command: Vec<OsString>,
    /// Whether it is one of replug's own built-ins, which plugins.toml has a short form for.
    builtin: bool,
    /// The building block of its component type, in plugins.toml's words.
    block: &'static str,
    /// The name of its component type and of its socket.
    served: &'static str,
    /// The metadatum that names the file in which it keeps its data; none: it keeps it in memory.
    file: Option<&'static str>,
}

// === impl Plugin ===

impl Plugin {
    /// The plugin of that name. The error says what is missing.
    pub(crate) async fn find(name: Name, replug: &Path) -> Result<Self, Failure> {
        match name {
            Name::Sqlite => Ok(Self {
                name: "sqlite",
                component: COMPONENT,
                command: vec![replug.into(), "plugin".into(), "state.sqlite".into()],
                builtin: true,
                block: "state",
                served: "sqlite",
                file: Some("connectionString"),
            }),
            Name::RustSample => {
                let program = there(
                    replug.with_file_name("notebook"),
                    "`cargo build --profile dist -p notebook` builds it",
                )?;
                Ok(Self {
                    name: "rust-sample",
                    component: COMPONENT,
                    command: vec![program.into()],
                    builtin: false,
                    block: "state",
                    served: "notebook",
                    file: Some("path"),
                })
            }
            Name::Python => {
                let root = root();
                let python = there(
                    root.join("target/python/plugin/bin/python"),
                    "samples/python/setup.sh makes it",
                )?;
                let script = root.join("samples/python/plugin.py");
                Ok(Self {
                    name: "python",
                    component: COMPONENT,
                    command: vec![python.into(), script.into()],
                    builtin: false,
                    block: "state",
                    served: "python-sqlite",
                    file: Some("database"),
                })
            }
            Name::Go => Ok(Self {
                name: "go",
                component: COMPONENT,
                command: vec![build_go("go-memory", "tests/plugins/go-state").await?.into()],
                builtin: false,
                block: "state",
                served: "go-memory",
                file: None,
            }),
            Name::GoBus => Ok(Self {
                name: "go-bus",
                component: BUS,
                command: vec![build_go("go-bus", "tests/plugins/go-bus").await?.into()],
                builtin: false,
                block: "pubsub",
                served: "go-bus",
                file: None,
            }),
            Name::GoEcho => Ok(Self {
                name: "go-echo",
                component: COMPONENT,
                command: vec![build_go("go-echo", "tests/plugins/go-binding").await?.into()],
                builtin: false,
                block: "bindings",
                served: "go-echo",
                file: None,
            }),
            Name::Secrets => Ok(Self {
                name: "secrets",
                component: COMPONENT,
                command: vec![replug.into(), "plugin".into(), "secretstores.local.file".into()],
                builtin: true,
                block: "secretstores",
                served: "local.file",
                file: Some("secretsFile"),
            }),
        }
    }

    /// Its process as it is started by hand, with its sockets in `folder`.
    pub(crate) fn command(&self, folder: &Path) -> Command {
        let mut command = Command::new(&self.command[0]);
        command.args(&self.command[1..]);
        for variable in [
            "REPLUG_SOCKET_FOLDER",
            "DAPR_COMPONENTS_SOCKETS_FOLDER",
            "DAPR_COMPONENT_SOCKETS_FOLDER",
        ] {
            command.env(variable, folder);
        }
        command
    }

    /// The socket that it makes in `folder`.
    pub(crate) fn socket(&self, folder: &Path) -> PathBuf {
        folder.join(format!("{}.sock", self.served))
    }

    /// Its component type.
    pub(crate) fn component_type(&self) -> String {
        format!("{}.{}", self.block, self.served)
    }

    /// The metadata of its component, with its data in `folder`.
    pub(crate) fn metadata(&self, folder: &Path) -> Vec<(String, String)> {
        let file = folder.join(format!("{}.data", self.served));
        let named = |name: &str| (name.to_owned(), text(&file));
        self.file.map(named).into_iter().collect()
    }

    /// Whether what it has stored outlives its process.
    pub(crate) fn keeps_data(&self) -> bool {
        self.file.is_some()
    }

    /// The plan that declares it, with these restart delays, and one component on it.
    pub(crate) fn plan(&self, home: &Home, backoff: &str) -> String {
        let parts: Vec<_> =
            self.command.iter().map(|part| format!("{:?}", text(Path::new(part)))).collect();
        let process = if self.builtin {
            // So that the built-in itself, inside replug, leaves the type to the plugin.
            format!("builtin = {:?}", self.component_type())
        } else {
            format!("command = [{}]", parts.join(", "))
        };
        let mut plan = format!(
            "[plugins.{PLUGIN}]\n\
             {process}\n\
             backoff = {backoff}\n\
             [components.{}]\n\
             type = {:?}\n",
            self.component,
            self.component_type()
        );
        for (name, value) in self.metadata(&home.path("")) {
            let _ = writeln!(plan, "metadata = {{ {name} = {value:?} }}");
        }
        plan
    }
}

/// The path, if something is there.
fn there(path: PathBuf, remedy: &str) -> Result<PathBuf, Failure> {
    if path.exists() {
        // Not canonicalised: an interpreter in an environment is a link that has to stay one.
        Ok(path)
    } else {
        Err(format!("{} is not there: {remedy}", path.display()).into())
    }
}

/// A Go program of the repository, built from these sources.
pub(crate) async fn build_go(name: &str, sources: &str) -> Result<PathBuf, Failure> {
    let root = root();
    let program = root.join("target/go").join(name);
    let built = Command::new("go")
        .current_dir(root.join(sources))
        .args(["build", "-buildvcs=false", "-mod=readonly", "-o"])
        .arg(&program)
        .arg(".")
        .output()
        .await
        .map_err(|error| format!("go: {error}"))?;
    if built.status.success() {
        Ok(program)
    } else {
        Err(format!("go build: {}", String::from_utf8_lossy(&built.stderr).trim()).into())
    }
}
