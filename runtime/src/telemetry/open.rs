//! A bound on the series of a metric whose labels have values that callers make up: paths, topics,
//! operations that no binding has.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};

use parking_lot::RwLock;

/// How many such values, or combinations of them, a metric tells apart. Whoever calls what is not
/// there could otherwise fill the memory.
const MOST: usize = 10_000;

/// Which labels of a metric these are, and which values they have had.
#[derive(Debug)]
pub(super) struct Open {
    places: &'static [usize],
    /// Values by their hashes, which nobody can foresee.
    seen: RwLock<HashSet<u64>>,
    hasher: RandomState,
}

impl Open {
    /// The labels at these places.
    pub(super) fn new(places: &'static [usize]) -> Self {
        Self { places, seen: RwLock::default(), hasher: RandomState::new() }
    }

    /// Whether there is room for these values, or they have been told apart before.
    pub(super) fn has_room_for(&self, labels: &[&str]) -> bool {
        let mut hasher = self.hasher.build_hasher();
        for place in self.places {
            hasher.write(labels[*place].as_bytes());
            hasher.write_u8(0xff);
        }
        let hash = hasher.finish();
        if self.seen.read().contains(&hash) {
            return true;
        }
        let mut seen = self.seen.write();
        if seen.len() >= MOST {
            return false;
        }
        seen.insert(hash);
        true
    }

    /// The labels with empty values in place of these.
    pub(super) fn emptied<'l>(&self, labels: &[&'l str]) -> Vec<&'l str> {
        let mut emptied = labels.to_vec();
        for place in self.places {
            emptied[*place] = "";
        }
        emptied
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_been_told_apart_stays_so_and_the_rest_has_empty_values() {
        let open = Open::new(&[1]);
        for at in 0..MOST {
            assert!(open.has_room_for(&["GET", &at.to_string()]));
        }
        assert!(open.has_room_for(&["POST", "7"]));
        assert!(!open.has_room_for(&["GET", "more"]));
        assert_eq!(open.emptied(&["GET", "more", "200"]), ["GET", "", "200"]);
    }
}
