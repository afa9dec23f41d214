//! What all wrappers have in common: they are initialised over each connection anew.

use async_trait::async_trait;
use replug_component::Error;

use super::{Connection, Contracts, Link};

/// A component whose work a plugin does. To the rest of the runtime it is a component like any
/// other; to whoever brings connections it is this.
#[async_trait]
pub trait Wrapper: Send + Sync + 'static {
    /// The way to the plugin.
    fn link(&self) -> &Link;

    /// Tells what the plugin serves over the connection that comes next.
    fn set_contracts(&self, _contracts: &Contracts) {}

    /// Initialises the component over `connection`, as after every start of its plugin, and learns
    /// its features. Callers are not released by this: that is [`Link::settle`].
    async fn init(&self, connection: &Connection) -> Result<(), Error>;

    /// What the component says it can do, as of its last initialisation; empty before the first.
    fn capabilities(&self) -> Vec<String>;
}
