//! What came of making components: they take their places.

use std::sync::Arc;

use super::super::Unmade;
use super::super::place::Opened;
use super::super::record::{Record, Served};
use super::Desk;
use crate::encryption::{DeclaredKeys, Keys};
use crate::plugin::{Learned, Wrapper};

impl Desk {
    /// A built-in component has been made, or could not be. It takes its place if that is still kept
    /// for it: a plugin may have come meanwhile.
    pub(in crate::registry) fn opened(
        &mut self,
        component: &str,
        turn: u64,
        opened: Result<Opened, Unmade>,
    ) {
        let record = self.records.iter_mut().find(|record| record.spec.name == component);
        if let Some(Record { place, served: Served::Builtin { turn: present, failed }, .. }) =
            record
            && *present == turn
        {
            *failed = opened.is_err();
            place.fill(opened);
        }
    }

    /// A component has been initialised over its plugin with these keys, or could not be. It takes
    /// its place if it has none yet, or its keys may be others than before. Gives what the link is to
    /// be told.
    pub(in crate::registry) fn initialised(
        &mut self,
        component: &str,
        wrapper: &Arc<dyn Wrapper>,
        declared: Option<DeclaredKeys>,
        result: Result<(Learned, Option<Keys>), Unmade>,
    ) -> Result<Learned, Unmade> {
        let present = self.records.iter().find(|record| {
            record.spec.name == component
                && record.is_served_over(wrapper)
                // It may have been declared anew meanwhile, and is initialised once more then.
                && record.keys == declared
        });
        let (result, keys) = match result {
            Ok((learned, keys)) => (Ok(learned), keys),
            Err(unmade) => (Err(unmade), None),
        };
        if let Some(record) = present {
            record.place.settle(component, wrapper, result.as_ref().map(|_| keys));
        }
        result
    }
}
