//! Everything that was written, a line each with key and value, in the folder that the plugin was
//! started in.

use std::fs::OpenOptions;
use std::io::{self, Write as _};

use bytes::Bytes;

const FILE: &str = "misbehave.tally";

/// Adds a write. Lines of several processes do not mix: each is one write at the end of the file.
pub(crate) fn add(key: &str, value: &[u8]) -> io::Result<()> {
    let line = [key.as_bytes(), b" ", value, b"\n"].concat();
    OpenOptions::new().create(true).append(true).open(FILE)?.write_all(&line)
}

/// The value of a key as it was written last; empty where it was not.
pub(crate) fn value(key: &str) -> io::Result<Bytes> {
    let all = std::fs::read_to_string(FILE)?;
    let of_key = |line: &'_ str| line.strip_prefix(key)?.strip_prefix(' ').map(str::to_owned);
    Ok(all.lines().rev().find_map(of_key).unwrap_or_default().into())
}
