//! Etags of the built-in stores: numbers that are not given twice.

use std::fmt;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use replug_component::Error;

/// The etag of one version of one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Etag(u64);

impl fmt::Display for Etag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Gives etags. It counts from a random number, so that neither another process at the same file
/// nor the store's next life gives a number of this one.
pub(super) struct Etags(AtomicU64);

impl Etags {
    pub(super) fn new() -> Self {
        // The standard library's hasher is keyed with random numbers of the operating system; what
        // it makes of nothing is as random as its keys.
        Self(AtomicU64::new(RandomState::new().build_hasher().finish()))
    }

    pub(super) fn next(&self) -> Etag {
        Etag(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

/// The etag that a request asks for. As in Dapr's own stores, an empty one asks for none.
pub(super) fn asked(etag: Option<String>) -> Option<String> {
    etag.filter(|etag| !etag.is_empty())
}

/// The stored value is not of the etag that was asked for, or there is none.
pub(super) fn mismatch(key: &str) -> Error {
    Error::EtagMismatch(format!("key {key} is missing or has another etag"))
}

/// A first write without an etag met a value.
pub(super) fn exists(key: &str) -> Error {
    Error::EtagMismatch(format!("key {key} exists already and the request has no etag"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_lives_of_a_store_give_different_etags() {
        let (one, other) = (Etags::new(), Etags::new());
        let first: Vec<String> = (0..1000).map(|_| one.next().to_string()).collect();
        assert!((0..1000).all(|_| !first.contains(&other.next().to_string())));
    }
}
