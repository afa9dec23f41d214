//! Dapr's public SDKs: the application of each, in `tests/clients`.

use std::path::Path;

use tokio::process::Command;

use super::fixture::{go_application, rust_application};
use super::java::java_application;
use super::node::node_application;
use super::python::python_for_applications;
use super::{ROOT, require_tool};

/// A public SDK, and where it can do both, what it calls over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sdk {
    Python,
    /// The same, with the extension for `FastAPI` as its server.
    PythonFastApi,
    NodeGrpc,
    NodeHttp,
    Java,
    Go,
    Rust,
}

impl Sdk {
    /// Whether the machine has what its application needs. See [`require_tool`].
    pub(crate) fn is_here(self) -> bool {
        match self {
            Self::Python | Self::PythonFastApi => require_tool("python3", &["--version"]),
            Self::NodeGrpc | Self::NodeHttp => {
                require_tool("node", &["--version"]) && require_tool("npm", &["--version"])
            }
            Self::Java => {
                require_tool("java", &["-version"]) && require_tool("mvn", &["--version"])
            }
            Self::Go => require_tool("go", &["version"]),
            Self::Rust => true,
        }
    }

    /// Its application's command, which is built on its first use.
    pub(super) fn application(self) -> Command {
        match self {
            Self::Python => python_application(),
            Self::PythonFastApi => {
                let mut command = python_application();
                command.env("APP_SERVER", "fastapi");
                command
            }
            Self::NodeGrpc => node_application("grpc"),
            Self::NodeHttp => node_application("http"),
            Self::Java => java_application(),
            Self::Go => Command::new(go_application()),
            Self::Rust => Command::new(rust_application()),
        }
    }

    /// How it tells that an etag was not the stored one.
    pub(crate) fn conflict(self) -> &'static str {
        match self {
            Self::Python | Self::PythonFastApi | Self::Java => "ABORTED",
            Self::Go | Self::Rust => "Aborted",
            Self::NodeGrpc => "10",
            Self::NodeHttp => "409",
        }
    }
}

fn python_application() -> Command {
    let mut command = Command::new(python_for_applications());
    command.arg("-B").arg(Path::new(ROOT).join("tests/clients/python/application.py"));
    command
}
