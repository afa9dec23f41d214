//! The components that the runtime has opened, by their names.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

/// Components by instance name. Every call looks one up, and waits for nobody who puts one in.
pub(crate) struct Instances<T: ?Sized>(ArcSwap<HashMap<Box<[u8]>, Arc<T>>>);

impl<T: ?Sized> Instances<T> {
    pub(crate) fn get(&self, name: &[u8]) -> Option<Arc<T>> {
        self.0.load().get(name).cloned()
    }

    /// Puts a component in. One that had the name before goes away when its last call ends.
    pub(crate) fn put(&self, name: &[u8], component: &Arc<T>) {
        self.0.rcu(|instances| {
            let mut instances = HashMap::clone(instances);
            instances.insert(name.into(), component.clone());
            instances
        });
    }
}

impl<T: ?Sized> Default for Instances<T> {
    fn default() -> Self {
        Self(ArcSwap::from_pointee(HashMap::new()))
    }
}
