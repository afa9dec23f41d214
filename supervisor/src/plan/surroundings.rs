//! What a plan depends on besides its file.

use std::collections::HashMap;

use replug_component::ComponentType;

/// What a plan depends on besides its file: a value, so that reading one plan in the same
/// surroundings twice gives the same.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// The environment: for defaults, for metadata that takes a variable, and for `PATH`.
    pub env: HashMap<String, String>,
    /// The user that replug runs as: says where the default `run_dir` is.
    pub uid: u32,
    /// The component types that replug has built in.
    pub builtins: Vec<ComponentType>,
}

impl Surroundings {
    /// Those of this process. Variables that are not UTF-8 are left out.
    #[must_use]
    pub fn of_process(builtins: &[ComponentType]) -> Self {
        let env = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self { env, uid: nix::unistd::geteuid().as_raw(), builtins: builtins.to_vec() }
    }

    /// The variable's value, unless it is unset or empty.
    pub(super) fn filled(&self, name: &str) -> Option<&str> {
        self.env.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}
