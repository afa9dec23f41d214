//! Where the socket belongs: what the runtime says in the environment.

use std::ffi::OsString;
use std::path::PathBuf;

/// The variables that name the folder, the first that is set counts: replug's own, then what
/// plugins for Dapr and for Layotto read.
const VARIABLES: [&str; 5] = [
    "REPLUG_SOCKET_FOLDER",
    "DAPR_COMPONENTS_SOCKETS_FOLDER",
    "DAPR_COMPONENT_SOCKETS_FOLDER",
    "DAPR_COMPONENT_SOCKET_FOLDER",
    "LAYOTTO_COMPONENTS_SOCKETS_FOLDER",
];

/// Where Dapr looks when nobody says anything else.
const DEFAULT: &str = "/tmp/dapr-components-sockets";

/// The folder that `variable` (the environment) names; a variable that is empty says nothing.
pub(crate) fn socket_folder(variable: impl Fn(&str) -> Option<OsString>) -> PathBuf {
    VARIABLES
        .into_iter()
        .filter_map(variable)
        .find(|folder| !folder.is_empty())
        .map_or_else(|| PathBuf::from(DEFAULT), PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(environment: &[(&str, &str)]) -> PathBuf {
        socket_folder(|name| {
            environment.iter().find(|(set, _)| *set == name).map(|(_, value)| value.into())
        })
    }

    #[test]
    fn replugs_own_variable_counts_before_the_others() {
        let environment = [
            ("LAYOTTO_COMPONENTS_SOCKETS_FOLDER", "/layotto"),
            ("DAPR_COMPONENTS_SOCKETS_FOLDER", "/dapr"),
            ("REPLUG_SOCKET_FOLDER", "/replug"),
        ];
        assert_eq!(folder(&environment), PathBuf::from("/replug"));
        assert_eq!(folder(&environment[..2]), PathBuf::from("/dapr"));
        assert_eq!(folder(&environment[..1]), PathBuf::from("/layotto"));
    }

    #[test]
    fn without_a_word_it_is_where_dapr_looks() {
        assert_eq!(folder(&[("REPLUG_SOCKET_FOLDER", "")]), PathBuf::from(DEFAULT));
    }
}
