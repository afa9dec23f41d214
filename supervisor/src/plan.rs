//! The plan: what `plugins.toml` asks for, read once and checked.
//!
//! [`Plan::load`] is the one place where the file is read. It finds everything that is wrong at
//! once, each with its line, its key and what would be right; what comes out is a value, and
//! everything after it takes a `&Plan` or a part of one. A plan starts nothing and knows no state.
//!
//! What only an edit of the file, or of the environment that it names, can mend is an error: there
//! is no plan then. What something else can mend, a program that is not there yet, is a warning:
//! there is a plan, and the plugin is tried until it starts.

mod app;
mod bounds;
mod care;
mod component;
mod diagnostic;
mod diff;
mod env_file;
mod health;
mod include;
mod instances;
mod log;
mod nearest;
mod order;
mod place;
mod plugin;
mod program;
mod reader;
mod references;
mod render;
mod resources;
mod runtime;
mod secret;
mod stores;
mod subscription;
mod surroundings;
mod syntax;
mod value;
mod variables;
mod watch;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;
use replug_component::ComponentType;
use replug_runtime::app::AppSettings;
use replug_runtime::component::ComponentSpec;
use replug_runtime::resources::{Configuration, Resources, SubscriptionResource};

use crate::files::Watching;
use crate::health::HealthPolicy;
use crate::health::probe::Probing;
use crate::instance;
use crate::output::LogPolicy;
use crate::process::{Confinement, Limits};
use crate::restart::RestartPolicy;

pub use diagnostic::{At, Checked, Diagnostic, Related, Severity};
pub use diff::{Change, ComponentChange, PluginChange};
pub(crate) use nearest::nearest;
pub use resources::{Wrong, WrongWith};
pub use runtime::default_run_dir;
pub use secret::{EnvValue, Secret, Source};
pub use surroundings::Surroundings;

/// The longest path, in bytes, that a Unix socket can be bound or connected to on Linux.
pub const SOCKET_PATH_LIMIT: usize = 107;

/// What `plugins.toml` asks for. Paths in it are absolute.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The file it was read from.
    pub file: PathBuf,
    /// What `[runtime]` says.
    pub runtime: RuntimeSettings,
    /// What `[app]` says; without it, an application that serves nothing.
    pub app: AppSettings,
    /// What `[plugins.NAME]` says, in the order of the file. No two have one name.
    pub plugins: Vec<PluginSpec>,
    /// What `[components.NAME]` says, in the order of the file, then those of its resources. No two
    /// have one name.
    pub components: Vec<ComponentSpec>,
    /// What `[[subscriptions]]` says, in the order of the file.
    pub subscriptions: Vec<SubscriptionResource>,
    /// What Dapr's YAML in the folders of `resources` declares, as it is written there.
    pub resources: Resources,
    /// What the files of `configuration` say together.
    pub configuration: Configuration,
}

/// What `[runtime]` says.
#[derive(Debug, Clone, PartialEq)]
pub struct RuntimeSettings {
    /// What the application is called: part of the keys that it stores.
    pub app_id: String,
    /// Where applications call over gRPC; empty where they do not.
    pub grpc: Vec<Listen>,
    /// Where applications call over HTTP; empty where they do not.
    pub http: Vec<Listen>,
    /// What belongs to this run of replug: the control socket, and private socket folders.
    pub run_dir: PathBuf,
    /// Where plugins that somebody else runs put their sockets, if anywhere.
    pub socket_dir: Option<PathBuf>,
    /// The control socket.
    pub control: PathBuf,
    /// Whose members may ask and tell the running replug, besides its own user and root.
    pub control_group: Option<ControlGroup>,
    /// How long the socket of a found plugin may be gone before the plugin is retired.
    pub forget_after: Duration,
    /// The longest message, in bytes, that is taken from an application.
    pub max_message: usize,
    /// Folders and files of Dapr's YAML.
    pub resources: Vec<PathBuf>,
    /// Where metrics are asked for, if anywhere.
    pub metrics: Option<Listen>,
    /// Files of the kind Configuration, later ones laid over earlier ones.
    pub configuration: Vec<PathBuf>,
}

/// A group of users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlGroup {
    /// Its name, or its number where it has none.
    pub name: String,
    /// Its number.
    pub gid: u32,
}

/// Where the runtime listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Listen {
    /// A TCP address. With port 0 the system picks one.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

/// What `[plugins.NAME]` says.
#[derive(Debug, Clone, PartialEq)]
pub struct PluginSpec {
    /// What it is called in status, logs and folders. Fit for a file name.
    pub name: String,
    /// How many processes of it there are: at least one.
    pub instances: u32,
    /// What is started.
    pub launch: Launch,
    /// Plugins that have to be ready before it is started, and that are stopped after it; those
    /// that it requires among them.
    pub after: Vec<String>,
    /// Plugins without which it is of no use: started with it, and it is stopped where one of them
    /// is stopped by hand or given up.
    pub requires: Vec<String>,
    /// When it is started for the first time.
    pub start: Start,
    /// Variables that it gets besides replug's own environment, those of its `env_file` included.
    pub env: BTreeMap<String, EnvValue>,
    /// The folder that it starts in; the one of `plugins.toml` unless told.
    pub cwd: PathBuf,
    /// When it is started again after an exit. `max` is never shorter than `initial`.
    pub restart: RestartPolicy,
    /// How long it may take from its start until it is ready.
    pub start_timeout: Duration,
    /// How long it may take from the stop signal to its exit before it is killed.
    pub stop_timeout: Duration,
    /// How long its calls may take to end when its next generation has taken its place.
    pub drain_timeout: Duration,
    /// What asks it to stop.
    pub stop_signal: Signal,
    /// How it is seen whether it hangs, and what follows.
    pub health: HealthPolicy,
    /// What is asked of it beside its link.
    pub probe: Option<Probing>,
    /// Whether it tells by `sd_notify` that it is ready, and more.
    pub notify: bool,
    /// How often it has to tell so that it lives.
    pub watchdog: Option<Duration>,
    /// The files with whose change it is started anew.
    pub watch: Vec<Watching>,
    /// What it may use.
    pub limits: Limits,
    /// Whom it runs as, and what is closed to it.
    pub confinement: Confinement,
    /// What becomes of what it prints. No two plugins have one file.
    pub log: LogPolicy,
    /// The path of its socket, where it does not take the one that replug tells it.
    pub socket: Option<PathBuf>,
}

/// When a plugin is started for the first time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Start {
    /// With replug.
    #[default]
    Auto,
    /// When somebody asks for it.
    Manual,
}

/// What is started for a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Launch {
    /// A program.
    Command {
        /// An absolute path, or a bare name to be looked up in `PATH`.
        program: PathBuf,
        /// Its arguments, without the program itself.
        args: Vec<String>,
    },
    /// A built-in component type, served by replug's own binary.
    Builtin {
        /// The type.
        component_type: ComponentType,
        /// Arguments beyond it.
        args: Vec<String>,
    },
}

// === impl Plan ===

impl Plan {
    /// Reads and checks the file at `path`. A file that cannot be read is a diagnostic like any
    /// other. Touches the file system to read it and to look for programs and folders, and changes
    /// nothing.
    #[must_use]
    pub fn load(path: &Path, surroundings: &Surroundings) -> Checked {
        match syntax::read_file(path) {
            Ok(source) => Self::check(source, path, surroundings),
            Err((source, diagnostic)) => {
                let (control, included) = (None, BTreeMap::new());
                Checked { plan: None, control, diagnostics: vec![*diagnostic], source, included }
            }
        }
    }

    /// Checks `source` as the content of the file at `path`, which is not read: it gives diagnostics
    /// their name, and relative paths their folder. Files that `source` includes are read.
    #[must_use]
    pub fn check(source: String, path: &Path, surroundings: &Surroundings) -> Checked {
        reader::read(source, path, surroundings)
    }

    /// What the application is told of: its own subscriptions, then those of its resources.
    pub fn subscriptions(&self) -> impl Iterator<Item = &SubscriptionResource> {
        self.subscriptions.iter().chain(&self.resources.subscriptions)
    }

    /// The plugin of that name.
    #[must_use]
    pub fn plugin(&self, name: &str) -> Option<&PluginSpec> {
        self.plugins.iter().find(|plugin| plugin.name == name)
    }
}

// === impl PluginSpec ===

impl PluginSpec {
    /// What its process of this number is called in status, logs and folders: by the plugin's name
    /// where it is the only one.
    #[must_use]
    pub fn instance_name(&self, number: u32) -> String {
        instance::name(&self.name, self.instance(number))
    }

    /// The number by which one of its processes is told from the others, where there are several.
    pub(crate) fn instance(&self, number: u32) -> Option<u32> {
        (self.instances > 1).then_some(number)
    }
}

// === impl RuntimeSettings ===

impl RuntimeSettings {
    /// Where the private socket folders of all declared plugins are.
    #[must_use]
    pub fn plugins_dir(&self) -> PathBuf {
        self.run_dir.join("plugins")
    }
}

// === impl Listen ===

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}
