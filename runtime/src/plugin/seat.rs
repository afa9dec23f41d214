//! Who in a plugin offers something.

use std::fmt;

/// One of a plugin's processes in one of its lives: what tells several that offer the same from one
/// another. A plugin that is one process with one life, as far as replug sees, has the default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Seat {
    /// Which of the plugin's processes, counted from 1.
    pub instance: u32,
    /// Which of its lives, counted from 1.
    pub generation: u64,
}

impl fmt::Display for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.instance, self.generation)
    }
}
