//! How many descriptors replug may have: as many as it is allowed to. A thousand plugins take more
//! than the usual 1,024, which is what a process gets unless it asks.
//!
//! Plugins get what replug was started with: a program that uses `select` must not be given numbers
//! that it cannot handle. The limit is the whole process's, so what it was is kept here, once.

use std::io;
use std::sync::OnceLock;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What this process was started with; unset until it was raised.
static INHERITED: OnceLock<Rlimit> = OnceLock::new();

/// Raises the number of descriptors that this process may have to the most that it is allowed to,
/// and gives that; none where there is no limit. Processes that a [`super::Spawner`] starts from
/// now on have the limit from before. Asked again, it does nothing more.
pub fn raise_open_files() -> io::Result<Option<u64>> {
    let inherited = *INHERITED.get_or_init(|| getrlimit(Resource::Nofile));
    let raised = Rlimit { current: inherited.maximum, maximum: inherited.maximum };
    setrlimit(Resource::Nofile, raised)?;
    Ok(raised.current)
}

/// Gives this process the limit back that it was started with, for a program that is executed in
/// its place. Descriptors that are open stay open.
pub fn restore_open_files() -> io::Result<()> {
    match INHERITED.get() {
        Some(inherited) => Ok(setrlimit(Resource::Nofile, *inherited)?),
        None => Ok(()),
    }
}

/// The limit that processes are to be started with, where it is not the present one.
pub(super) fn inherited() -> Option<Rlimit> {
    INHERITED.get().copied()
}
