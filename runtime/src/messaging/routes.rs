//! Which handler gets an event: rules in their order, the first that matches decides.

use super::condition::{Condition, Seen};

/// The rules of one subscription. The default one has no condition and is the last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Routes(pub(crate) Vec<Rule>);

/// Where events go that a condition is true of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    /// None: it is true of every event.
    pub(crate) condition: Option<Condition>,
    pub(crate) path: String,
}

impl Routes {
    /// Every event goes there.
    pub(crate) fn to(path: &str) -> Self {
        Self(vec![Rule { condition: None, path: path.to_owned() }])
    }

    /// The path for an event; none where no rule matches. A condition that cannot be evaluated is
    /// an error: the rules after it are not tried. `seen` is asked for where a rule has to look.
    pub(crate) fn path(&self, seen: impl FnOnce() -> Seen) -> Result<Option<&str>, String> {
        let (mut seen, mut made) = (Some(seen), None);
        for rule in &self.0 {
            let Some(condition) = &rule.condition else { return Ok(Some(&rule.path)) };
            if let Some(make) = seen.take() {
                made = Some(make());
            }
            if let Some(seen) = &made
                && condition.is_true_of(seen)?
            {
                return Ok(Some(&rule.path));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(condition: &str, path: &str) -> Rule {
        let condition = (!condition.is_empty()).then(|| Condition::new(condition).unwrap());
        Rule { condition, path: path.to_owned() }
    }

    #[test]
    fn the_first_rule_that_matches_decides() {
        let routes =
            Routes(vec![rule("event == 'a'", "/a"), rule("event != 'c'", "/b"), rule("", "/d")]);
        for (event, path) in [("a", "/a"), ("b", "/b"), ("c", "/d")] {
            assert_eq!(routes.path(|| Seen::raw(event.as_bytes())), Ok(Some(path)));
        }
        let routes = Routes(vec![rule("event == 'a'", "/a")]);
        assert_eq!(routes.path(|| Seen::raw(b"b")), Ok(None));
    }

    #[test]
    fn after_a_condition_that_fails_no_default_is_tried() {
        let routes = Routes(vec![rule("event.type == 'a'", "/a"), rule("", "/d")]);
        assert!(routes.path(|| Seen::raw(b"no object")).is_err());
    }

    #[test]
    fn nobody_looks_at_an_event_where_there_are_no_conditions() {
        let path =
            Routes::to("/x").path(|| panic!("it is looked at")).map(|p| p.map(str::to_owned));
        assert_eq!(path, Ok(Some("/x".to_owned())));
    }
}
