//! `replug-tiny`, the plugin that costs as little as one can: where it is, and what it is told.

use std::path::{Path, PathBuf};

use crate::Failure;

/// The variable that names the socket where it says when it began.
pub(crate) const STAMPS: &str = "REPLUG_TINY_STAMPS";

/// The program, which is built beside this one.
pub(crate) fn tiny() -> Result<PathBuf, Failure> {
    beside(&std::env::current_exe()?)
}

fn beside(program: &Path) -> Result<PathBuf, Failure> {
    let tiny = program.with_file_name("replug-tiny");
    if tiny.exists() {
        Ok(tiny)
    } else {
        let remedy = "`cargo build --profile dist -p replug-bench` builds it";
        Err(format!("{} is not there: {remedy}", tiny.display()).into())
    }
}
