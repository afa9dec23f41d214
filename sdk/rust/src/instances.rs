//! The components that the runtime has opened, by their names.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use replug_component::{Context, Error};
use tonic::metadata::MetadataMap;
use tonic::{Request, Status};

use crate::call::{context, instance, not_opened, within};

/// Components by instance name. Every call looks one up, and waits for nobody who puts one in.
pub(crate) struct Instances<T: ?Sized>(ArcSwap<HashMap<Box<[u8]>, Arc<T>>>);

impl<T: ?Sized> Instances<T> {
    /// The component that a call is for, and what came with the call beside its message.
    pub(crate) fn of_call<M>(&self, request: &Request<M>) -> Result<(Arc<T>, Context), Status> {
        let name = instance(request.metadata());
        let component = self.0.load().get(name).cloned().ok_or_else(|| not_opened(name))?;
        Ok((component, context(request.metadata())))
    }

    /// Opens the component that a call with these headers is for. Where there is one of its name
    /// already, the new one takes its place once it is open, and the old one goes away when its last
    /// call ends; if it cannot be opened, the old one stays.
    pub(crate) async fn open(
        &self,
        headers: &MetadataMap,
        opening: impl Future<Output = Result<Arc<T>, Error>>,
    ) -> Result<(), Status> {
        let component = within(&context(headers), opening).await?;
        let name = instance(headers);
        self.0.rcu(|instances| {
            let mut instances = HashMap::clone(instances);
            instances.insert(name.into(), component.clone());
            instances
        });
        Ok(())
    }
}

impl<T: ?Sized> Default for Instances<T> {
    fn default() -> Self {
        Self(ArcSwap::from_pointee(HashMap::new()))
    }
}
