//! Which sides of a binding its declaration asks for.

use crate::Metadata;

/// The metadata that says it, in any case.
const DIRECTION: &str = "direction";

/// Which sides of a binding its declaration asks for: those that `direction` in its metadata lists,
/// or all that there are where it lists none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Direction {
    /// None where nothing is said.
    said: Option<(bool, bool)>,
}

impl Direction {
    /// What this metadata says.
    #[must_use]
    pub fn of(metadata: &Metadata) -> Self {
        Self::said(metadata.iter().map(|(name, value)| (name.as_str(), value.as_str())))
    }

    /// The same of metadata in another form: names and values.
    #[must_use]
    pub fn said<'m>(metadata: impl IntoIterator<Item = (&'m str, &'m str)>) -> Self {
        let mut said =
            metadata.into_iter().filter(|(name, _)| name.eq_ignore_ascii_case(DIRECTION));
        let said = said.next().filter(|(_, sides)| !sides.trim().is_empty()).map(|(_, sides)| {
            let names = |side: &str| {
                sides.split(',').any(|written| written.trim().eq_ignore_ascii_case(side))
            };
            (names("input"), names("output"))
        });
        Self { said }
    }

    /// Whether it is to be read, if it can.
    #[must_use]
    pub fn has_input(self) -> bool {
        self.said.is_none_or(|(input, _)| input)
    }

    /// Whether it is to be invoked, if it can.
    #[must_use]
    pub fn has_output(self) -> bool {
        self.said.is_none_or(|(_, output)| output)
    }

    /// Whether it is said that it is to be read: then the application is not asked whether it wants
    /// the events.
    #[must_use]
    pub fn names_input(self) -> bool {
        self.said.is_some_and(|(input, _)| input)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(metadata: &[(&str, &str)]) -> (bool, bool, bool) {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let direction = Direction::of(&metadata.iter().map(owned).collect());
        (direction.has_input(), direction.has_output(), direction.names_input())
    }

    #[test]
    fn sides_are_named_in_any_case_and_all_are_meant_where_none_is() {
        assert_eq!(of(&[]), (true, true, false));
        assert_eq!(of(&[("direction", " ")]), (true, true, false));
        assert_eq!(of(&[("Direction", "INPUT")]), (true, false, true));
        assert_eq!(of(&[("direction", "output")]), (false, true, false));
        assert_eq!(of(&[("direction", "input, Output")]), (true, true, true));
    }
}
