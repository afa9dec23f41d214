//! What plugins offer, and what becomes of it.

use std::sync::Arc;

use replug_component::ComponentType;

use crate::plugin::{Connection, Contracts, Seat};

/// What one socket of a plugin offers.
#[derive(Debug, Clone)]
pub struct Offer {
    /// The plugin's name.
    pub plugin: Arc<str>,
    /// Which of the plugin's processes, in which of its lives. Several may offer the same at once:
    /// calls are spread over them.
    pub seat: Seat,
    /// The socket file's name without its last extension: the name part of its component types.
    pub socket: Arc<str>,
    /// What it serves.
    pub contracts: Contracts,
    /// The way to it.
    pub connection: Connection,
}

/// What became of an offer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attached {
    /// Component types that this socket serves from now on.
    pub serves: Vec<ComponentType>,
    /// Component types that another plugin serves already, with that plugin's name.
    pub passed_over: Vec<(ComponentType, Arc<str>)>,
    /// Component types that this socket served before and does not any more.
    pub retired: Vec<ComponentType>,
    /// Components whose initialisation failed, with the plugin's own words.
    pub failed: Vec<(String, String)>,
}

/// A component that can be used over one seat of a plugin, and not over another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lack {
    /// The component.
    pub component: String,
    /// What it is made from.
    pub component_type: ComponentType,
    /// Why its initialisation failed; none where the seat does not serve its type, or not yet.
    pub failure: Option<Arc<str>>,
}
