//! What a plan asks for of a plugin's output.

use super::FilePolicy;

/// What becomes of what a plugin prints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPolicy {
    /// How much of it is kept in memory, in bytes, what keeping takes included.
    pub ring: usize,
    /// Whether it goes to replug's log.
    pub to_log: bool,
    /// The file that it goes to as well.
    pub file: Option<FilePolicy>,
}

impl Default for LogPolicy {
    fn default() -> Self {
        Self { ring: Self::RING, to_log: true, file: None }
    }
}

impl LogPolicy {
    /// What is kept in memory unless told.
    pub const RING: usize = 64 * 1024;
}
