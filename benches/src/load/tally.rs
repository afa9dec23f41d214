//! What came of the calls of a round, and of all rounds of one way.

use std::time::Duration;

/// Calls that were answered.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    /// How long each good answer took, in tenths of a microsecond.
    took: Vec<u32>,
    pub(crate) failed: usize,
}

impl Tally {
    pub(crate) fn answered(&mut self, took: Duration, good: bool) {
        if good {
            self.took.push(u32::try_from(took.as_nanos() / 100).unwrap_or(u32::MAX));
        } else {
            self.failed += 1;
        }
    }

    pub(crate) fn good(&self) -> usize {
        self.took.len()
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.took.extend(other.took);
        self.failed += other.failed;
    }

    /// Puts the calls in order, for [`Self::micros`].
    pub(crate) fn sort(&mut self) {
        self.took.sort_unstable();
    }

    /// How many microseconds so many of a thousand calls did not exceed.
    pub(crate) fn micros(&self, of_thousand: usize) -> f64 {
        let rank = (self.took.len() * of_thousand).div_ceil(1000);
        let sample = self.took.get(rank.saturating_sub(1)).copied().unwrap_or_default();
        f64::from(sample) / 10.0
    }
}

/// The middle one of figures that were had one after the other; none where there is none.
pub(crate) fn median(figures: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut figures: Vec<_> = figures.into_iter().collect();
    figures.sort_unstable_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_the_calls_took_no_longer() {
        let mut tally = Tally::default();
        (1..=1000).rev().for_each(|micros| tally.answered(Duration::from_micros(micros), true));
        tally.answered(Duration::from_secs(1), false);
        tally.sort();
        assert_eq!((tally.good(), tally.failed), (1000, 1));
        let shown = |micros: f64| format!("{micros:.0}");
        assert_eq!([500, 990, 999].map(|share| shown(tally.micros(share))), ["500", "990", "999"]);
        assert_eq!(median([3.0, 1.0, 2.0]).map(shown).as_deref(), Some("2"));
        assert_eq!(median([]), None);
    }
}
