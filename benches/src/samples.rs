//! Milliseconds that were measured one after the other, and what is said of them.

use std::time::Duration;

/// Milliseconds of one kind. A difference may be below zero.
#[derive(Debug, Clone, Default)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    pub(crate) fn push(&mut self, sample: Duration) {
        self.0.push(millis(sample));
    }

    /// How much more than `base` each sample is.
    pub(crate) fn beyond(&self, base: f64) -> Self {
        Self(self.0.iter().map(|sample| sample - base).collect())
    }

    /// The smallest sample that at least `percent` of a hundred do not exceed; zero where there is
    /// none.
    pub(crate) fn percentile(&self, percent: usize) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        let rank = (sorted.len() * percent).div_ceil(100);
        sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    }

    pub(crate) fn median(&self) -> f64 {
        self.percentile(50)
    }

    pub(crate) fn max(&self) -> f64 {
        self.percentile(100)
    }
}

/// Milliseconds, with their fraction.
pub(crate) fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(samples: &Samples) -> [String; 3] {
        [50, 90, 100].map(|percent| format!("{:.1}", samples.percentile(percent)))
    }

    #[test]
    fn a_percentile_is_one_of_the_samples() {
        let mut samples = Samples::default();
        assert_eq!(shown(&samples), ["0.0", "0.0", "0.0"]);
        for sample in (1..=10).rev() {
            samples.push(Duration::from_millis(sample));
        }
        assert_eq!(shown(&samples), ["5.0", "9.0", "10.0"]);
        assert_eq!(shown(&samples.beyond(6.0)), ["-1.0", "3.0", "4.0"]);
    }
}
