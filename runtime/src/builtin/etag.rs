//! Etags of the built-in stores: numbers that are not given twice, in the form of UUIDs, as Dapr's
//! stores of these names give them.

use std::fmt;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use replug_component::Error;

/// The etag of one version of one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Etag(u64);

impl fmt::Display for Etag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The number, and what a mixer makes of it: other bits wherever the number differs.
        let mixed = mixed(self.0);
        let (first, second, third) = (mixed >> 32, (mixed >> 16) & 0xffff, mixed & 0x0fff);
        let (fourth, last) = (0x8000 | (self.0 >> 48) & 0x3fff, self.0 & 0xffff_ffff_ffff);
        write!(f, "{first:08x}-{second:04x}-4{third:03x}-{fourth:04x}-{last:012x}")
    }
}

/// The finalizer of `SplitMix64`: it maps numbers onto numbers, one to one, without a pattern.
fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
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

/// The stored value is not of the etag that was asked for, or there is none. Dapr's stores over
/// servers say no more than that.
pub(super) fn mismatch() -> Error {
    Error::EtagMismatch(String::new())
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

    #[test]
    fn an_etag_is_a_random_uuid_by_its_form() {
        for number in [0, 1, u64::MAX, 0x0123_4567_89ab_cdef] {
            let etag = Etag(number).to_string();
            let groups: Vec<_> = etag.split('-').map(str::len).collect();
            assert_eq!(groups, [8, 4, 4, 4, 12], "{etag}");
            assert_eq!((&etag[14..15], &etag[19..20] >= "8" && &etag[19..20] <= "b"), ("4", true));
            assert!(etag.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit()), "{etag}");
        }
    }
}
