//! What a component's values may leave open: `{uuid}`, `{appID}`, `{namespace}`, `{podName}`, and
//! variables of the environment.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::LazyLock;

/// The variable with the name of the pod that the application runs in.
const POD_NAME: &str = "POD_NAME";

/// What stands for the namespace and the application.
pub(super) const NAMESPACE: &str = "{namespace}";

/// The variable that lists those variables that components may refer to, where it is set.
const ENV_KEYS: &str = "DAPR_ENV_KEYS";

/// Whose components these are, and what the environment has.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// The application.
    pub app_id: String,
    /// Its namespace, as the environment has it; empty where there is none.
    pub namespace: String,
    /// The environment's variables.
    pub environment: HashMap<String, String>,
}

impl std::fmt::Debug for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Names")
            .field("app_id", &self.app_id)
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

/// A template that cannot be replaced.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("failed to parse metadata: property {0} refers to {{podName}} but podName is not set")]
pub struct TemplateError(pub String);

/// What tells this process from others.
static SEEDS: LazyLock<[RandomState; 2]> =
    LazyLock::new(|| [RandomState::new(), RandomState::new()]);

// === impl Names ===

impl Names {
    /// The names of this application in this process's environment.
    #[must_use]
    pub fn of_process(app_id: &str) -> Self {
        // A name or a value that is no text is nothing that a file could refer to.
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        let environment: HashMap<_, _> = std::env::vars_os().filter_map(text).collect();
        let namespace = environment.get("NAMESPACE").cloned().unwrap_or_default();
        Self { app_id: app_id.to_owned(), namespace, environment }
    }

    /// `text` with its templates replaced. `place` says where it stands: each `{uuid}` there gets a
    /// value of its own, which stays the same in this process for as long as the text does, so that
    /// a file that is read again is seen not to have changed.
    pub fn replaced(&self, text: &str, place: &[&str]) -> Result<String, TemplateError> {
        if !text.contains('{') {
            return Ok(text.to_owned());
        }
        let namespace = match self.namespace.as_str() {
            "" => "default",
            namespace => namespace,
        };
        let mut text = text
            .replace("{appID}", &self.app_id)
            .replace(NAMESPACE, &format!("{namespace}.{}", self.app_id));
        if text.contains("{podName}") {
            match self.environment.get(POD_NAME).filter(|name| !name.is_empty()) {
                Some(name) => text = text.replace("{podName}", name),
                None => return Err(TemplateError((*place.get(1).unwrap_or(&"")).to_owned())),
            }
        }
        let whole = text.clone();
        let mut occurrence = 0_usize;
        while text.contains("{uuid}") {
            text = text.replacen("{uuid}", &uuid(place, &whole, occurrence), 1);
            occurrence += 1;
        }
        Ok(text)
    }

    /// A variable that a component refers to, empty where it is not set; where it may not, what more
    /// there is to say of that.
    pub(super) fn variable(&self, name: &str) -> Result<String, &'static str> {
        if name == "APP_API_TOKEN" || name.to_uppercase().starts_with("DAPR_") {
            return Err("");
        }
        if name.contains(' ') {
            return Err(" (its name has a space)");
        }
        if let Some(keys) = self.environment.get(ENV_KEYS)
            && !keys.split_whitespace().any(|key| key == name)
        {
            return Err(" (DAPR_ENV_KEYS does not list it)");
        }
        Ok(self.environment.get(name).cloned().unwrap_or_default())
    }
}

/// A version 4 UUID that only this process makes for this place.
fn uuid(place: &[&str], text: &str, occurrence: usize) -> String {
    let [one, two] = &*SEEDS;
    let what = (place, text, occurrence);
    let bits = (u128::from(one.hash_one(what)) << 64) | u128::from(two.hash_one(what));
    let bits = (bits & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let digits = format!("{bits:032x}");
    let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    parts.join("-")
}
