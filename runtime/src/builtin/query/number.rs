//! JSON numbers that compare by what they are worth, as SQLite compares its integers and reals.

use std::cmp::Ordering;

/// A JSON number.
#[derive(Debug, Clone, Copy)]
pub(in crate::builtin) enum Number {
    /// One that fits.
    Integer(i64),
    /// Any other.
    Real(f64),
}

/// 2^63: the first real number above every `i64`.
const BEYOND: f64 = 9_223_372_036_854_775_808.0;

impl Number {
    /// The value of a JSON number.
    pub(super) fn new(number: &serde_json::Number) -> Self {
        match number.as_i64() {
            Some(integer) => Self::Integer(integer),
            // A JSON number is always a real one, and never NaN.
            None => Self::Real(number.as_f64().unwrap_or_default()),
        }
    }
}

impl std::fmt::Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Integer(integer) => integer.fmt(f),
            Self::Real(real) => real.fmt(f),
        }
    }
}

fn integer_to_real(integer: i64, real: f64) -> Ordering {
    if real >= BEYOND {
        Ordering::Less
    } else if real < -BEYOND {
        Ordering::Greater
    } else {
        // In range, so the whole part is an i64; converting the integer instead would round it.
        #[allow(clippy::cast_possible_truncation)]
        let whole = real.trunc() as i64;
        integer.cmp(&whole).then_with(|| {
            let fraction = real.fract();
            0.0.partial_cmp(&fraction).unwrap_or(Ordering::Equal)
        })
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        match (*self, *other) {
            (Self::Integer(a), Self::Integer(b)) => a.cmp(&b),
            // Neither is NaN.
            (Self::Real(a), Self::Real(b)) => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
            (Self::Integer(a), Self::Real(b)) => integer_to_real(a, b),
            (Self::Real(a), Self::Integer(b)) => integer_to_real(b, a).reverse(),
        }
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Number {}

#[cfg(test)]
mod tests {
    use super::Number::{Integer, Real};

    #[test]
    fn integers_and_reals_compare_by_their_worth() {
        assert_eq!(Integer(1), Real(1.0));
        assert!(Integer(1) < Real(1.5));
        assert!(Integer(-1) > Real(-1.5));
        assert!(Integer(i64::MAX) < Real(9.3e18));
        assert!(Integer(i64::MIN) > Real(-9.3e18));
        // 2^53 + 1 is no real number of its own.
        assert!(Integer(9_007_199_254_740_993) > Real(9_007_199_254_740_992.0));
        assert_eq!(Real(0.0), Real(-0.0));
    }
}
