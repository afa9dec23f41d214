//! What all wrappers have in common: they are initialised over each connection anew.

use std::sync::Arc;

use async_trait::async_trait;
use replug_component::state::StateStore;
use replug_component::{Error, Features, Metadata};

use super::{Connection, Contracts, Link};

/// A component whose work a plugin does. To the rest of the runtime it is a component like any
/// other; to whoever brings connections it is this.
#[async_trait]
pub trait Wrapper: Send + Sync + 'static {
    /// The way to the plugin.
    fn link(&self) -> &Link;

    /// Initialises the component with `metadata` over `connection`, as after every start of its
    /// plugin, and asks for its features. Changes nothing that calls see: see [`Wrapper::adopt`].
    async fn init(
        &self,
        connection: &Connection,
        contracts: &Contracts,
        metadata: Metadata,
    ) -> Result<Learned, Error>;

    /// What was learned by an initialisation counts from now on: its connection takes calls.
    fn adopt(&self, learned: &Learned);

    /// What the component says it can do, as last adopted; empty before that.
    fn capabilities(&self) -> Vec<String>;

    /// The component as a state store, if it is one.
    fn state_store(self: Arc<Self>) -> Option<Arc<dyn StateStore>> {
        None
    }
}

/// What an initialisation tells of a plugin.
#[derive(Debug, Clone, Default)]
pub struct Learned {
    /// What the plugin serves over that connection.
    pub contracts: Contracts,
    /// What the component can do over it.
    pub features: Features,
}
