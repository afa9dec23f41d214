//! Standard output for commands whose output is a file's content.

use std::io::{self, Write as _};

use crate::exit::Failure;

/// Writes it all, unless the reader has seen enough, which is no failure.
pub(crate) fn write(content: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(content).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::failed(error)),
        _ => Ok(()),
    }
}
