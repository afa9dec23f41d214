//! Configurations that stand among the resources. Nobody follows them: as in Dapr, one that comes,
//! changes or goes has everything read again, the files that say how to behave included.

use replug_runtime::resources::{ConfigurationResource, Resources};

/// The scope of what is said of it.
const RECONCILER: &str = "dapr.runtime.hotreload.reconciler";

/// Tells which of them are not as they were.
pub(super) fn tell(before: &Resources, now: &Resources) {
    for (what, name) in differences(&before.configurations, &now.configurations) {
        tracing::info!(
            target: RECONCILER,
            "Received Configuration {what} event: {name} - triggering SIGHUP reload"
        );
    }
}

/// What has become of which, in the order in which it is told: those that are gone come first.
fn differences<'r>(
    before: &'r [ConfigurationResource],
    now: &'r [ConfigurationResource],
) -> Vec<(&'static str, &'r str)> {
    let find = |all: &'r [ConfigurationResource], name: &str| all.iter().find(|it| it.name == name);
    let gone = before.iter().filter(|it| find(now, &it.name).is_none());
    let gone = gone.map(|it| ("DELETED", it.name.as_str()));
    let rest = now.iter().filter_map(|it| {
        let name = it.name.as_str();
        match find(before, name) {
            None => Some(("CREATED", name)),
            Some(known) if known != it => Some(("UPDATED", name)),
            Some(_) => None,
        }
    });
    gone.chain(rest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_changed_and_went_is_told_once_each() {
        let one = |name: &str, spec: &str| ConfigurationResource {
            name: name.to_owned(),
            spec: spec.into(),
        };
        let before = [one("a", "1"), one("b", "1"), one("c", "1")];
        let now = [one("b", "2"), one("c", "1"), one("d", "1")];
        let told = differences(&before, &now);
        assert_eq!(told, [("DELETED", "a"), ("UPDATED", "b"), ("CREATED", "d")]);
        assert_eq!(differences(&now, &now), []);
    }
}
