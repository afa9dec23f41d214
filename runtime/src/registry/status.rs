//! How components stand, for people and programs that ask.

use replug_component::ComponentType;

use crate::plugin::Calls;

/// One component as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComponentStatus {
    /// What applications call it.
    pub name: String,
    /// What it is made from.
    pub component_type: ComponentType,
    /// The version as declared.
    pub version: String,
    /// Whether it can be used, and if not, why.
    pub state: ComponentState,
    /// `built-in`, or the plugin's name; none while nothing serves it.
    pub served_by: Option<String>,
    /// What it says it can do; empty before it was ever initialised.
    pub capabilities: Vec<String>,
    /// The calls that go over to its plugin. A built-in's are not counted.
    pub calls: Calls,
}

/// Whether a component can be used, and if not, why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ComponentState {
    /// It can.
    Ready,
    /// Nothing serves its type yet; callers wait.
    Waiting(String),
    /// Its plugin is away; callers wait.
    Suspended(String),
    /// Its initialisation failed; callers are told why.
    Failed(String),
}
