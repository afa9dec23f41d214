//! The slot of a component, whatever its building block, and what is put into it.

use std::sync::Arc;

use replug_component::binding::Binding;
use replug_component::hello::Hello;
use replug_component::pubsub::PubSub;
use replug_component::secret::SecretStore;
use replug_component::state::StateStore;
use replug_component::{Error, Features, Metadata};

use super::{
    BindingComponent, ComponentState, HelloComponent, PubSubComponent, SecretComponent,
    StateComponent, Unmade,
};
use crate::builtin::Builtin;
use crate::component::ComponentSpec;
use crate::encryption::{EncryptedStore, Keys};
use crate::gate::GateState;
use crate::key_prefix::KeyPrefix;
use crate::plugin::Wrapper;
use crate::plugin::dapr::{DaprBinding, DaprPubSub, DaprSecretStore, DaprStateStore};
use crate::plugin::layotto::LayottoHello;
use crate::topics::Topics;

/// A component's slot, whatever its building block.
#[derive(Debug, Clone)]
pub(super) enum Place {
    State(Arc<StateComponent>),
    Hello(Arc<HelloComponent>),
    Secrets(Arc<SecretComponent>),
    PubSub(Arc<PubSubComponent>),
    Binding(Arc<BindingComponent>),
}

/// What a declaration means for a component beside its metadata, found out before anything changes.
pub(super) enum Rules {
    None,
    /// Where the keys of a state store begin.
    Keys(KeyPrefix),
    /// Which topics may be used.
    Topics(Topics),
}

/// A component that was made from a built-in type.
pub(super) enum Opened {
    State(Arc<dyn StateStore>),
    Hello(Arc<dyn Hello>),
    Secrets(Arc<dyn SecretStore>),
    PubSub(Arc<dyn PubSub>),
    Binding(Arc<Binding>),
}

impl Opened {
    pub(super) async fn from(builtin: &Builtin, metadata: Metadata) -> Result<Self, Error> {
        Ok(match builtin {
            Builtin::State(_, of) => Self::State(of.open(metadata).await?),
            Builtin::Hello(_, of) => Self::Hello(of.open(metadata.into()).await?),
            Builtin::Secrets(_, of) => Self::Secrets(of.open(metadata).await?),
            Builtin::PubSub(_, of) => Self::PubSub(of.open(metadata).await?),
            Builtin::Binding(_, of) => Self::Binding(Arc::new(of.open(metadata).await?)),
        })
    }

    /// The same, as the component of this name, with a state store's values encrypted where it has
    /// keys.
    pub(super) fn encrypted(self, component: &str, keys: Option<Keys>) -> Self {
        match (self, keys) {
            (Self::State(store), Some(keys)) => {
                Self::State(EncryptedStore::over(component, store, keys))
            }
            (other, _) => other,
        }
    }
}

// === impl Place ===

/// Does the same to the slot of any building block.
macro_rules! on_slot {
    ($place:expr, $slot:ident => $do:expr) => {
        match $place {
            Place::State(state) => {
                let $slot = &state.slot;
                $do
            }
            Place::PubSub(pubsub) => {
                let $slot = &pubsub.slot;
                $do
            }
            Place::Hello($slot) => $do,
            Place::Secrets($slot) => $do,
            Place::Binding($slot) => $do,
        }
    };
}

impl Place {
    /// Takes another declaration, and what it means.
    pub(super) fn set_spec(&self, spec: &ComponentSpec, rules: Rules) {
        match (self, rules) {
            (Self::State(state), Rules::Keys(keys)) => state.keys.store(Arc::new(keys)),
            (Self::PubSub(pubsub), Rules::Topics(topics)) => pubsub.topics.store(Arc::new(topics)),
            _ => {}
        }
        on_slot!(self, slot => slot.set_spec(spec.clone()));
    }

    /// Turns away the callers that wait.
    pub(super) fn shut(&self, reason: &str) {
        on_slot!(self, slot => slot.gate().shut(reason));
    }

    pub(super) fn hold(&self, reason: &str) {
        on_slot!(self, slot => slot.gate().hold(reason));
    }

    /// Turns away who waits for anything to be there.
    pub(super) fn part(&self, reason: &str) {
        on_slot!(self, slot => if let GateState::Held(_) = &*slot.gate().state() {
            slot.gate().shut(reason);
        });
    }

    /// How many callers wait for anything to be there.
    pub(super) fn waiting(&self) -> u64 {
        on_slot!(self, slot => slot.gate().waiting() as u64)
    }

    pub(super) fn state(&self) -> ComponentState {
        on_slot!(self, slot => slot.state())
    }

    pub(super) fn capabilities(&self) -> Vec<String> {
        let features = match self {
            Self::State(state) => state.slot.present().map(|store| store.features()),
            Self::Secrets(secrets) => secrets.present().map(|store| store.features()),
            Self::PubSub(pubsub) => pubsub.slot.present().map(|component| component.features()),
            Self::Binding(binding) => binding.present().map(|binding| binding.capabilities()),
            Self::Hello(_) => None,
        };
        let named = |features: Features| features.iter().map(str::to_owned).collect();
        features.map(named).unwrap_or_default()
    }

    /// Puts a new wrapper into the slot. That of a state store whose values are `encrypted` stays
    /// outside until its keys are known.
    pub(super) fn wrap(
        &self,
        spec: &ComponentSpec,
        plugin: &str,
        encrypted: bool,
    ) -> Arc<dyn Wrapper> {
        let reason = format!("plugin {plugin} is not ready yet");
        match self {
            Self::State(state) => {
                let wrapper = Arc::new(DaprStateStore::new(spec, &reason));
                if encrypted {
                    state.slot.gate().hold(reason);
                } else {
                    state.slot.gate().open(wrapper.clone());
                }
                wrapper
            }
            Self::Hello(hello) => {
                let wrapper = Arc::new(LayottoHello::new(spec, &reason));
                hello.gate().open(wrapper.clone());
                wrapper
            }
            Self::Secrets(secrets) => {
                let wrapper = Arc::new(DaprSecretStore::new(spec, &reason));
                secrets.gate().open(wrapper.clone());
                wrapper
            }
            Self::PubSub(pubsub) => {
                let wrapper = Arc::new(DaprPubSub::new(spec, &reason));
                pubsub.slot.gate().open(wrapper.clone());
                wrapper
            }
            Self::Binding(binding) => {
                let wrapper = Arc::new(DaprBinding::new(spec, &reason));
                binding.gate().open(Arc::new(wrapper.clone().both_sides()));
                wrapper
            }
        }
    }

    /// A wrapper has been initialised, or could not be: that of a state store takes its place in the
    /// slot, with its keys, where it is not there already without any.
    pub(super) fn settle(
        &self,
        component: &str,
        wrapper: &Arc<dyn Wrapper>,
        keys: Result<Option<Keys>, &Unmade>,
    ) {
        let Self::State(state) = self else { return };
        let gate = state.slot.gate();
        let is_open = matches!(&*gate.state(), GateState::Open(_));
        match keys {
            Ok(None) | Err(_) if is_open => {}
            Ok(keys) => {
                let Some(store) = wrapper.clone().state_store() else { return };
                gate.open(match keys {
                    Some(keys) => EncryptedStore::over(component, store, keys),
                    None => store,
                });
            }
            Err(Unmade::Waits(reason)) => gate.hold(reason.as_str()),
            Err(Unmade::Failed(reason)) => gate.shut(reason.as_str()),
        }
    }

    /// Puts a component of a built-in type into the slot, or its error.
    pub(super) fn fill(&self, opened: Result<Opened, Unmade>) {
        match (self, opened) {
            (Self::State(state), Ok(Opened::State(store))) => state.slot.gate().open(store),
            (Self::Hello(hello), Ok(Opened::Hello(greeter))) => hello.gate().open(greeter),
            (Self::Secrets(secrets), Ok(Opened::Secrets(store))) => secrets.gate().open(store),
            (Self::PubSub(pubsub), Ok(Opened::PubSub(component))) => {
                pubsub.slot.gate().open(component);
            }
            (Self::Binding(slot), Ok(Opened::Binding(binding))) => slot.gate().open(binding),
            (_, Ok(_)) => unreachable!("a component type belongs to one building block"),
            (_, Err(Unmade::Waits(reason))) => self.hold(&reason),
            (_, Err(Unmade::Failed(reason))) => self.shut(&reason),
        }
    }
}
