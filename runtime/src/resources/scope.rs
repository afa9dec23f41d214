//! Which secrets of a store an application may have over the API.

/// What `secrets.scopes` says of one store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SecretScope {
    /// The store.
    pub store: String,
    /// Whether secrets that no list names are refused.
    pub deny_by_default: bool,
    /// Where there are any, only these can be had.
    pub allowed: Vec<String>,
    /// Else these cannot.
    pub denied: Vec<String>,
}

impl SecretScope {
    /// Whether the secret of this name can be had.
    #[must_use]
    pub fn allows(&self, secret: &str) -> bool {
        let has = |list: &[String]| list.iter().any(|name| name == secret);
        if !self.allowed.is_empty() {
            return has(&self.allowed);
        }
        !has(&self.denied) && !self.deny_by_default
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn a_list_of_allowed_secrets_decides_alone() {
        let scope = SecretScope {
            allowed: list(&["a", "b:c"]),
            denied: list(&["a"]),
            ..SecretScope::default()
        };
        assert!(scope.allows("a") && scope.allows("b:c") && !scope.allows("A"));
    }

    #[test]
    fn denied_secrets_and_then_the_default_decide_without_one() {
        let open = SecretScope { denied: list(&["a"]), ..SecretScope::default() };
        assert!(!open.allows("a") && open.allows("b"));
        let shut = SecretScope { deny_by_default: true, ..SecretScope::default() };
        assert!(!shut.allows("b"));
    }
}
