//! Where component types and components are looked up.
//!
//! Written by few: the supervisor (plugins come and go) and whoever declares components. Read by
//! every request: a look-up is an atomic load and a hash, whatever a writer does meanwhile. The
//! registry knows nothing of processes and sockets' folders, and nothing of the APIs.

mod desk;
mod place;
mod status;

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use futures_util::future::join_all;
use parking_lot::Mutex;
use replug_component::hello::Hello;
use replug_component::secret::SecretStore;
use replug_component::state::StateStore;
use replug_component::{ComponentType, Error};

use self::desk::{Desk, Task};
use self::place::Opened;
pub use self::status::{ComponentState, ComponentStatus};
use crate::component::ComponentSpec;
use crate::key_prefix::KeyPrefix;
use crate::plugin::{Connection, Contracts, LinkState};
use crate::slot::Slot;

/// A state store component: its slot, and under which keys it keeps what applications store.
#[derive(Debug)]
pub struct StateComponent {
    /// What serves it.
    pub slot: Slot<dyn StateStore>,
    /// Where its keys begin.
    pub keys: KeyPrefix,
}

/// A hello component.
pub type HelloComponent = Slot<dyn Hello>;

/// A secret store component.
pub type SecretComponent = Slot<dyn SecretStore>;

/// Component types and components.
#[derive(Debug)]
pub struct Registry {
    view: ArcSwap<View>,
    desk: Mutex<Desk>,
}

/// What requests read. Replaced as a whole when a component is declared.
#[derive(Debug, Clone, Default)]
pub(crate) struct View {
    states: HashMap<String, Arc<StateComponent>>,
    hellos: HashMap<String, Arc<HelloComponent>>,
    secrets: HashMap<String, Arc<SecretComponent>>,
}

/// A look-up that found nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// There is no component of this building block at all.
    NoneDeclared,
    /// There are some, and none has this name.
    NotFound,
}

/// What one socket of a plugin offers.
#[derive(Debug, Clone)]
pub struct Offer {
    /// The plugin's name.
    pub plugin: Arc<str>,
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

/// Why a component cannot be declared.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DeclareError {
    /// There is one of that name already.
    #[error("there is a component `{0}` already")]
    Duplicate(String),
    /// Components of this building block cannot be made yet.
    #[error("component `{name}`: components of the block {block} are not supported")]
    UnsupportedBlock {
        /// The component.
        name: String,
        /// Its building block.
        block: replug_component::BuildingBlock,
    },
    /// Its metadata is wrong in itself.
    #[error("component `{name}`: {cause}")]
    Metadata {
        /// The component.
        name: String,
        /// What is wrong.
        cause: String,
    },
}

// === impl Registry ===

impl Registry {
    /// An empty registry of the application `app_id`. `namespace` is the environment's, empty where
    /// there is none.
    #[must_use]
    pub fn new(app_id: &str, namespace: &str) -> Self {
        Self { view: ArcSwap::default(), desk: Mutex::new(Desk::new(app_id, namespace)) }
    }

    /// The state store of this name.
    pub fn state(&self, name: &str) -> Result<Arc<StateComponent>, Missing> {
        look_up(&self.view.load().states, name)
    }

    /// The hello component of this name.
    pub fn hello(&self, name: &str) -> Result<Arc<HelloComponent>, Missing> {
        look_up(&self.view.load().hellos, name)
    }

    /// The secret store of this name.
    pub fn secrets(&self, name: &str) -> Result<Arc<SecretComponent>, Missing> {
        look_up(&self.view.load().secrets, name)
    }

    /// Every component in the order of declaration, as it stands now.
    #[must_use]
    pub fn components(&self) -> Vec<ComponentStatus> {
        self.desk.lock().components()
    }

    /// Keeps a component type for a plugin that is yet to come, so that components of it wait for
    /// the plugin and are not made from the built-in of the same name.
    pub fn reserve(&self, component_type: ComponentType, plugin: &str) {
        self.desk.lock().reserve(component_type, plugin);
    }

    /// Adds a component. It can be looked up as soon as this is called, and is usable when the
    /// future is done, if anything serves its type by then; an initialisation that fails is
    /// reported by the component's status and to its callers.
    pub async fn declare(&self, spec: ComponentSpec) -> Result<(), DeclareError> {
        let task = {
            let mut desk = self.desk.lock();
            let mut view = View::clone(&self.view.load());
            let task = desk.declare(spec, &mut view)?;
            self.view.store(Arc::new(view));
            task
        };
        self.perform(task).await;
        Ok(())
    }

    /// Takes in what a plugin's socket offers: registers its component types, and initialises every
    /// component of them over the new connection before its callers are released.
    ///
    /// Called for each life of a socket. Dropping the future leaves the components that are not
    /// initialised yet suspended.
    pub async fn attach(&self, offer: Offer) -> Attached {
        let (mut attached, tasks) = self.desk.lock().attach(offer);
        let failures = join_all(tasks.into_iter().map(|task| self.perform(task))).await;
        attached.failed = failures.into_iter().flatten().collect();
        attached
    }

    /// Makes the callers of everything that the plugin serves wait. Its types stay registered.
    pub fn suspend(&self, plugin: &str, reason: &str) {
        self.desk.lock().suspend(plugin, None, reason);
    }

    /// The same for one socket of the plugin.
    pub fn suspend_socket(&self, plugin: &str, socket: &str, reason: &str) {
        self.desk.lock().suspend(plugin, Some(socket), reason);
    }

    /// Takes back everything that the plugin offered. Its components are served by the next plugin
    /// that offers their type, by the built-in of that name, or by nobody until somebody does.
    pub async fn retire(&self, plugin: &str, reason: &str) {
        let tasks = self.desk.lock().retire(plugin, reason);
        join_all(tasks.into_iter().map(|task| self.perform(task))).await;
    }

    /// Initialises the components of a plugin's socket again whose last initialisation failed. Gives
    /// those that fail still, with the plugin's own words.
    pub async fn init_failed_again(&self, plugin: &str, socket: &str) -> Vec<(String, String)> {
        let tasks = self.desk.lock().failed(plugin, socket);
        let failures = join_all(tasks.into_iter().map(|task| self.perform(task))).await;
        failures.into_iter().flatten().collect()
    }

    /// Does what a change at the desk asks for, without holding the desk. Gives the component and
    /// the error of an initialisation that failed.
    async fn perform(&self, task: Task) -> Option<(String, String)> {
        let result = match &task {
            Task::Nothing => return None,
            Task::Init { component, wrapper, connection } => {
                let (state, result) = match wrapper.init(connection).await {
                    Ok(()) => (LinkState::Open, Ok(())),
                    // The plugin went away meanwhile; its next life initialises again.
                    Err(error) if connection.is_closed() => {
                        (LinkState::Held(error.to_string().into()), Ok(()))
                    }
                    Err(error) => {
                        let reason = init_failed(component, &error);
                        let failure = (component.clone(), error.to_string());
                        (LinkState::Shut(reason.into()), Err(failure))
                    }
                };
                wrapper.link().settle(connection, state);
                result
            }
            Task::Open { component, turn, builtin, metadata } => {
                let opened = Opened::from(builtin, metadata.clone()).await;
                let result = match &opened {
                    Ok(_) => Ok(()),
                    Err(error) => Err((component.clone(), error.to_string())),
                };
                let opened = opened.map_err(|error| init_failed(component, &error));
                self.desk.lock().opened(component, *turn, opened);
                result
            }
        };
        let failure = result.err()?;
        tracing::error!(component = failure.0, "initialisation failed: {}", failure.1);
        Some(failure)
    }
}

fn init_failed(component: &str, error: &Error) -> String {
    format!("initialisation of component {component} failed: {error}")
}

fn look_up<C: ?Sized>(components: &HashMap<String, Arc<C>>, name: &str) -> Result<Arc<C>, Missing> {
    match components.get(name) {
        Some(component) => Ok(component.clone()),
        None if components.is_empty() => Err(Missing::NoneDeclared),
        None => Err(Missing::NotFound),
    }
}
