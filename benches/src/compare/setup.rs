//! What both sidecars are started with.

use std::path::Path;

use crate::Failure;

/// Where a home's own path goes in resources and flags.
const HOME: &str = "{home}";

/// Where the port of the home's application goes in resources.
const APP: &str = "{app}";

/// Built-ins that need no server, one or two of each block.
const BUILT_INS: &str = r#"apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: memory}
spec: {type: state.in-memory, version: v1}
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: sqlite}
spec:
  type: state.sqlite
  version: v1
  metadata: [{name: connectionString, value: "file:{home}/state.db"}]
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: bus}
spec: {type: pubsub.in-memory, version: v1}
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: environment}
spec: {type: secretstores.local.env, version: v1}
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: vault}
spec:
  type: secretstores.local.file
  version: v1
  metadata: [{name: secretsFile, value: "{home}/secrets.json"}]
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: files}
spec:
  type: bindings.localstorage
  version: v1
  metadata: [{name: rootPath, value: "{home}/files"}]
"#;

/// A way to start a sidecar. `{home}` in it is the sidecar's own folder, `{app}` its application's
/// port.
#[derive(Debug, Clone, Default)]
pub(super) struct Setup {
    /// What the comparison calls it.
    pub(super) name: &'static str,
    /// Files of the home, by their path in it. Those below `resources/` are the resources, and
    /// `config.yaml` is the Configuration, if it is there.
    files: Vec<(&'static str, String)>,
    /// Flags beside those that every sidecar has.
    flags: Vec<String>,
    /// Variables of its environment.
    pub(super) variables: Vec<(&'static str, &'static str)>,
    /// Whether there is an application.
    pub(super) application: bool,
    /// Whether there is one that is called over gRPC.
    pub(super) over_grpc: bool,
}

// === impl Setup ===

impl Setup {
    /// Nothing but an application.
    pub(super) fn new(name: &'static str) -> Self {
        Self { name, application: true, ..Self::default() }
    }

    /// Nobody stands beside it.
    pub(super) fn without_application(mut self) -> Self {
        self.application = false;
        self
    }

    /// The application is called over gRPC.
    pub(super) fn over_grpc(mut self) -> Self {
        self.application = false;
        self.over_grpc = true;
        self.flag("--app-protocol").flag("grpc")
    }

    /// A file of the home.
    pub(super) fn file(mut self, path: &'static str, text: impl Into<String>) -> Self {
        self.files.push((path, text.into()));
        self
    }

    /// Built-ins and `more` components, and what the secret store of a file has.
    pub(super) fn built_ins(self, more: &'static str, secrets: &'static str) -> Self {
        self.file("resources/built-ins.yaml", BUILT_INS)
            .file("resources/more.yaml", more)
            .file("secrets.json", secrets)
    }

    /// A flag, or the value of one.
    pub(super) fn flag(mut self, flag: impl Into<String>) -> Self {
        self.flags.push(flag.into());
        self
    }

    /// A variable of its environment.
    pub(super) fn variable(mut self, name: &'static str, value: &'static str) -> Self {
        self.variables.push((name, value));
        self
    }

    /// Writes the files, and says which flags they take.
    pub(super) fn write(&self, home: &Path, app: Option<u16>) -> Result<Vec<String>, Failure> {
        let resources = home.join("resources");
        std::fs::create_dir(&resources)?;
        let here = home.to_str().ok_or("the folder for temporary files is no text")?;
        let filled = |text: &str| {
            let app = app.map(|port| port.to_string()).unwrap_or_default();
            text.replace(HOME, here).replace(APP, &app)
        };
        for (path, text) in &self.files {
            std::fs::write(home.join(path), filled(text))?;
        }
        let mut flags = vec!["--resources-path".to_owned(), filled("{home}/resources")];
        if home.join("config.yaml").exists() {
            flags.extend(["--config".to_owned(), filled("{home}/config.yaml")]);
        }
        if let Some(port) = app {
            flags.extend(["--app-port".to_owned(), port.to_string()]);
        }
        flags.extend(self.flags.iter().map(|flag| filled(flag)));
        Ok(flags)
    }
}
