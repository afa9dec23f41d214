//! Who wants to hear what a reload makes of components.

use std::fmt;
use std::sync::Arc;

use replug_runtime::component::ComponentSpec;
use replug_runtime::registry::DeclareError;

/// What happens to a component.
#[derive(Debug)]
pub enum ComponentNews<'c> {
    /// It is about to be closed: it is gone, or comes in another form.
    Closing(&'c ComponentSpec),
    /// It is about to be made.
    Coming(&'c ComponentSpec),
    /// It was made, as far as it can be now: why it cannot be used, where its initialisation failed.
    Made(&'c ComponentSpec, &'c Result<Option<String>, DeclareError>),
}

/// Hears of components. Clones are the same.
#[derive(Clone, Default)]
pub struct Hearer(Option<Arc<Hear>>);

type Hear = dyn Fn(ComponentNews<'_>) + Send + Sync;

impl Hearer {
    /// Calls this with what happens. It may not block.
    pub fn new(hear: impl Fn(ComponentNews<'_>) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(hear)))
    }

    pub(super) fn hear(&self, news: ComponentNews<'_>) {
        if let Some(hear) = &self.0 {
            hear(news);
        }
    }
}

impl fmt::Debug for Hearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hearer")
    }
}
