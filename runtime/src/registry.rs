//! Where component types and components are looked up.
//!
//! Written by few: the supervisor (plugins come and go) and whoever declares components. Read by
//! every request: a look-up is an atomic load and a hash, whatever a writer does meanwhile. The
//! registry knows nothing of processes and sockets' folders, and nothing of the APIs.

mod claim;
mod desk;
mod draining;
mod making;
mod offer;
mod place;
mod record;
mod secrets;
mod status;

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use replug_component::ComponentType;
use replug_component::binding::Binding;
use replug_component::hello::Hello;
use replug_component::pubsub::PubSub;
use replug_component::secret::SecretStore;
use replug_component::state::StateStore;
use tokio::sync::watch;

use self::desk::Desk;
pub use self::draining::Draining;
pub(crate) use self::making::Unmade;
pub use self::offer::{Attached, Lack, Offer};
pub use self::secrets::{SECRETS_SCOPE, SecretError};
pub use self::status::{ComponentState, ComponentStatus};
use crate::component::{ComponentSpec, HoldPolicy};
use crate::key_prefix::KeyPrefix;
use crate::plugin::Seat;
use crate::slot::Slot;
use crate::topics::Topics;

/// A state store component: its slot, and under which keys it keeps what applications store.
#[derive(Debug)]
pub struct StateComponent {
    /// What serves it.
    pub slot: Slot<dyn StateStore>,
    /// Where its keys begin. Replaced when the component is declared anew.
    pub keys: ArcSwap<KeyPrefix>,
}

/// A hello component.
pub type HelloComponent = Slot<dyn Hello>;

/// A secret store component.
pub type SecretComponent = Slot<dyn SecretStore>;

/// A pubsub component: its slot, and which topics the application may use.
#[derive(Debug)]
pub struct PubSubComponent {
    /// What serves it.
    pub slot: Slot<dyn PubSub>,
    /// Replaced when the component is declared anew.
    pub topics: ArcSwap<Topics>,
}

/// A binding, with the sides that it has.
pub type BindingComponent = Slot<Binding>;

/// Component types and components.
#[derive(Debug)]
pub struct Registry {
    view: ArcSwap<View>,
    desk: Mutex<Desk>,
    /// Rung when components may be in another state.
    bell: watch::Sender<()>,
    /// Rung when a component could not be initialised.
    failures: watch::Sender<()>,
    /// Rung when a secret store has become usable.
    stores: watch::Sender<()>,
}

/// What requests read. Replaced as a whole when a component is declared.
#[derive(Debug, Clone, Default)]
pub(crate) struct View {
    states: HashMap<String, Arc<StateComponent>>,
    hellos: HashMap<String, Arc<HelloComponent>>,
    secrets: HashMap<String, Arc<SecretComponent>>,
    pubsubs: HashMap<String, Arc<PubSubComponent>>,
    bindings: HashMap<String, Arc<BindingComponent>>,
}

/// A look-up that found nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// There is no component of this building block at all.
    NoneDeclared,
    /// There are some, and none has this name.
    NotFound,
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
        Self {
            view: ArcSwap::default(),
            desk: Mutex::new(Desk::new(app_id, namespace)),
            bell: watch::Sender::new(()),
            failures: watch::Sender::new(()),
            stores: watch::Sender::new(()),
        }
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

    /// The pubsub component of this name.
    pub fn pubsub(&self, name: &str) -> Result<Arc<PubSubComponent>, Missing> {
        look_up(&self.view.load().pubsubs, name)
    }

    /// The binding of this name.
    pub fn binding(&self, name: &str) -> Result<Arc<BindingComponent>, Missing> {
        look_up(&self.view.load().bindings, name)
    }

    /// Every component in the order of declaration, as it stands now.
    #[must_use]
    pub fn components(&self) -> Vec<ComponentStatus> {
        self.desk.lock().components()
    }

    /// Tells when components may be in another state than before. Changes that follow each other at
    /// once are told as one.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<()> {
        self.bell.subscribe()
    }

    /// Tells when a component could not be initialised. It is among [`Registry::failed`] then.
    #[must_use]
    pub fn failures(&self) -> watch::Receiver<()> {
        self.failures.subscribe()
    }

    /// The components whose last initialisation failed, to be tried again.
    #[must_use]
    pub fn failed(&self) -> Vec<String> {
        self.desk.lock().failed()
    }

    /// Keeps a component type for a plugin that is yet to come, so that components of it wait for
    /// the plugin and are not made from the built-in of the same name.
    pub fn reserve(&self, component_type: ComponentType, plugin: &str) {
        self.desk.lock().reserve(component_type, plugin);
    }

    /// Gives up what [`Registry::reserve`] kept for this plugin. Components of the type that nothing
    /// serves are made from the built-in of that name, if there is one.
    pub async fn unreserve(&self, component_type: &ComponentType, plugin: &str) {
        let tasks = self.desk.lock().unreserve(component_type, plugin);
        self.perform_all(tasks).await;
    }

    /// Lets no new call reach a plugin, whose components' callers wait with this reason. Calls that
    /// are under way go on, and can be waited for.
    pub fn drain(&self, plugin: &str, reason: &str) -> Draining {
        self.desk.lock().drain(plugin, reason)
    }

    /// Takes a component away. Callers that wait for it are turned away with this reason, calls that
    /// are under way go on, and it is not found any more. Whether there was one.
    pub fn undeclare(&self, component: &str, reason: &str) -> bool {
        let removed = {
            let mut desk = self.desk.lock();
            let mut view = View::clone(&self.view.load());
            let removed = desk.undeclare(component, reason, &mut view);
            self.view.store(Arc::new(view));
            removed
        };
        self.ring();
        removed
    }

    /// Gives a component another version, other metadata and other rules for its callers, and
    /// initialises it again: over its present link where a plugin serves it. Its callers go on
    /// meanwhile. Done when it is initialised; gives the plugin's own words where that failed, with
    /// which its callers are turned away. What is no component of this type is declared.
    pub async fn redeclare(&self, spec: ComponentSpec) -> Result<Option<String>, DeclareError> {
        let tasks = {
            let mut desk = self.desk.lock();
            let mut view = View::clone(&self.view.load());
            let tasks = desk.redeclare(spec, &mut view)?;
            self.view.store(Arc::new(view));
            tasks
        };
        let failed = self.perform_all(tasks).await;
        Ok(failed.into_iter().map(|(_, error)| error).next())
    }

    /// Gives a component other rules for its callers. Whether there is one.
    pub fn set_hold(&self, component: &str, hold: HoldPolicy) -> bool {
        self.desk.lock().set_hold(component, hold)
    }

    /// Adds a component. It can be looked up as soon as this is called, and is usable when the
    /// future is done, if anything serves its type by then; an initialisation that fails is
    /// reported by the component's status and to its callers.
    pub async fn declare(&self, spec: ComponentSpec) -> Result<(), DeclareError> {
        let tasks = {
            let mut desk = self.desk.lock();
            let mut view = View::clone(&self.view.load());
            let tasks = desk.declare(spec, &mut view)?;
            self.view.store(Arc::new(view));
            tasks
        };
        self.perform_all(tasks).await;
        Ok(())
    }

    /// Takes in what a plugin's socket offers: registers its component types, and initialises every
    /// component of them over the new connection before calls go over it.
    ///
    /// Called for each life of a socket. Dropping the future leaves the components that are not
    /// initialised yet without this end.
    pub async fn attach(&self, offer: Offer) -> Attached {
        let (mut attached, tasks) = self.desk.lock().attach(offer);
        attached.failed = self.perform_all(tasks).await;
        attached
    }

    /// Takes out what this seat of the plugin offers: callers go to the plugin's other seats, and
    /// wait where there is none. Its types stay registered.
    pub fn suspend(&self, plugin: &str, seat: Seat, reason: &str) {
        self.desk.lock().suspend(plugin, seat, None, reason);
        self.ring();
    }

    /// The same for one socket of the seat.
    pub fn suspend_socket(&self, plugin: &str, seat: Seat, socket: &str, reason: &str) {
        self.desk.lock().suspend(plugin, seat, Some(socket), reason);
        self.ring();
    }

    /// Takes out what a seat offers that is about to go, at once: callers go to the plugin's other
    /// seats. Calls that are under way go on, and can be waited for. Its types stay registered.
    pub fn leave(&self, plugin: &str, seat: Seat, reason: &str) -> Draining {
        let draining = self.desk.lock().leave(plugin, seat, reason);
        self.ring();
        draining
    }

    /// Takes back everything that the plugin offered. Its components are served by the next plugin
    /// that offers their type, by the built-in of that name, or by nobody until somebody does.
    pub async fn retire(&self, plugin: &str, reason: &str) {
        let tasks = self.desk.lock().retire(plugin, reason);
        self.perform_all(tasks).await;
    }

    /// What this seat is about to offer takes no calls before it is admitted: its components are
    /// initialised, and the plugin's other seats go on serving.
    pub fn stand_by(&self, plugin: &str, seat: Seat) {
        self.desk.lock().stand_by(plugin, seat);
    }

    /// Lets a seat that stands by take calls, beside the plugin's others, at once. The future
    /// initialises the components that it is the first of its plugin to serve, and gives those that
    /// could not be.
    pub fn admit(
        self: &Arc<Self>,
        plugin: &str,
        seat: Seat,
    ) -> impl Future<Output = Vec<(String, String)>> + Send + use<> {
        let tasks = self.desk.lock().admit(plugin, seat);
        self.stores.send_replace(());
        let registry = self.clone();
        async move { registry.perform_all(tasks).await }
    }

    /// Takes back what a seat offered that stands by and is not to be admitted.
    pub async fn dismiss(&self, plugin: &str, seat: Seat, reason: &str) {
        let tasks = self.desk.lock().dismiss(plugin, seat, reason);
        self.perform_all(tasks).await;
    }

    /// Takes out, at once, what a seat offers whose place others of the plugin have taken, and
    /// retires what these do not serve, which is given. No new call reaches the seat; those under
    /// way go on, and can be waited for. The future has what is retired served by whoever is next.
    pub fn release(
        self: &Arc<Self>,
        plugin: &str,
        seat: Seat,
        reason: &str,
    ) -> (Vec<ComponentType>, Draining, impl Future<Output = ()> + Send + use<>) {
        let (retired, tasks, draining) = self.desk.lock().release(plugin, seat, reason);
        let registry = self.clone();
        let rest = async move {
            registry.perform_all(tasks).await;
        };
        (retired, draining, rest)
    }

    /// What can be used over the seat `present` of a plugin, and not over `seat`.
    #[must_use]
    pub fn lacks(&self, plugin: &str, seat: Seat, present: Seat) -> Vec<Lack> {
        self.desk.lock().lacks(plugin, seat, present)
    }

    /// Initialises a component again whose last initialisation failed, over each end of its plugin
    /// where it did. Whether nothing failed this time.
    pub async fn init_again(&self, component: &str) -> bool {
        let tasks = self.desk.lock().again(component);
        self.perform_all(tasks).await.is_empty()
    }

    /// Answers every caller who waits, now and from now on, with `reason`: replug is about to end.
    /// Calls that need not wait go through.
    pub fn part(&self, reason: &str) {
        self.desk.lock().part(reason);
        self.ring();
    }

    /// Called after every change, so that whoever looks then finds it.
    fn ring(&self) {
        self.bell.send_replace(());
    }
}

fn look_up<C: ?Sized>(components: &HashMap<String, Arc<C>>, name: &str) -> Result<Arc<C>, Missing> {
    match components.get(name) {
        Some(component) => Ok(component.clone()),
        None if components.is_empty() => Err(Missing::NoneDeclared),
        None => Err(Missing::NotFound),
    }
}
