//! `replug status --json`, as a program reads it.

use std::net::SocketAddr;

use serde::Deserialize;

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Status {
    pub(crate) version: String,
    pub(crate) pid: u32,
    pub(crate) app_id: String,
    pub(crate) listeners: Vec<String>,
    pub(crate) application: Option<ApplicationStatus>,
    pub(crate) upgrades: u64,
    pub(crate) upgrade_failure: Option<String>,
    pub(crate) plugins: Vec<PluginStatus>,
    pub(crate) components: Vec<ComponentStatus>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
#[derive(Default)]
pub(crate) struct PluginStatus {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) state: String,
    pub(crate) generation: u64,
    pub(crate) pid: Option<u32>,
    pub(crate) uptime_ms: Option<u64>,
    pub(crate) successor: Option<Successor>,
    pub(crate) restarts: u64,
    pub(crate) crash_looping: bool,
    pub(crate) next_start_in_ms: Option<u64>,
    pub(crate) last_exit: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) serves: Vec<String>,
    pub(crate) passed_over: Vec<String>,
    pub(crate) socket: Option<String>,
    pub(crate) limits: Vec<String>,
    pub(crate) missing_limits: Vec<String>,
    pub(crate) confinement: Vec<String>,
    pub(crate) printed: Option<Printed>,
    pub(crate) health: Vec<Health>,
    pub(crate) says: Option<String>,
    pub(crate) instances: Vec<PluginStatus>,
}

/// The application that is called.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct ApplicationStatus {
    pub(crate) address: String,
    pub(crate) state: String,
}

/// What a plugin has printed, and what of it was lost.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Printed {
    pub(crate) lines: u64,
    pub(crate) not_filed: u64,
    pub(crate) file_trouble: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Successor {
    pub(crate) generation: u64,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Health {
    pub(crate) by: String,
    pub(crate) state: String,
    pub(crate) failures: u32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
#[derive(Default)]
pub(crate) struct ComponentStatus {
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) component_type: String,
    pub(crate) state: String,
    pub(crate) served_by: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) capabilities: Vec<String>,
}

impl Status {
    /// The plugin of that name, if replug knows it.
    pub(crate) fn plugin(&self, name: &str) -> Option<&PluginStatus> {
        self.plugins.iter().find(|plugin| plugin.name == name)
    }

    /// The component of that name, if replug knows it.
    pub(crate) fn component(&self, name: &str) -> Option<&ComponentStatus> {
        self.components.iter().find(|component| component.name == name)
    }

    /// Whether the plugin is in that state.
    pub(crate) fn plugin_is(&self, name: &str, state: &str) -> bool {
        self.plugin(name).is_some_and(|plugin| plugin.state == state)
    }

    /// Whether the component is in that state.
    pub(crate) fn component_is(&self, name: &str, state: &str) -> bool {
        self.component(name).is_some_and(|component| component.state == state)
    }

    /// The TCP address where applications call over `protocol`: `grpc` or `http`.
    pub(crate) fn address(&self, protocol: &str) -> SocketAddr {
        let listener = self.listeners.iter().find_map(|listener| listener.strip_prefix(protocol));
        let address =
            listener.unwrap_or_else(|| panic!("no {protocol} among {:?}", self.listeners));
        address.trim_start().parse().unwrap()
    }
}

impl PluginStatus {
    /// Why it is not ready; empty where nothing is said.
    pub(crate) fn why(&self) -> &str {
        self.reason.as_deref().unwrap_or_default()
    }

    /// How it was found by `link`, `probe` or `watchdog`; empty where it was not asked.
    pub(crate) fn health_by(&self, by: &str) -> &str {
        let health = self.health.iter().find(|health| health.by == by);
        health.map_or("", |health| health.state.as_str())
    }

    /// How the last generation ended; empty where none has.
    pub(crate) fn end(&self) -> &str {
        self.last_exit.as_deref().unwrap_or_default()
    }
}

impl ComponentStatus {
    /// Why it is not ready; empty where nothing is said.
    pub(crate) fn why(&self) -> &str {
        self.reason.as_deref().unwrap_or_default()
    }
}
