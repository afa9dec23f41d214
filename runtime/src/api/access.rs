//! Which parts of Dapr's API can be called: the lists of a Configuration.
//!
//! What is denied is looked at first; then, where anything of a protocol is allowed by name, nothing
//! else of that protocol is. Rules of one protocol do not touch the other.

use crate::resources::{ApiProtocol, ApiRule, Configuration};

/// Which parts of the API can be called.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApiAccess {
    http: Lists,
    grpc: Lists,
}

/// The rules of one protocol, each as `VERSION/NAME`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Lists {
    allowed: Vec<String>,
    denied: Vec<String>,
}

/// Methods of the service `Dapr` by the group that rules name them by. A group ends with `/`; what
/// stands before it in a method's name is any text.
const GRPC: [(&str, &[&str]); 27] = [
    ("v1/invoke", &["InvokeService"]),
    (
        "v1/state",
        &[
            "GetState",
            "GetBulkState",
            "SaveState",
            "DeleteState",
            "DeleteBulkState",
            "ExecuteStateTransaction",
        ],
    ),
    ("v1alpha1/state", &["QueryStateAlpha1"]),
    ("v1/publish", &["PublishEvent", "BulkPublishEvent"]),
    ("v1alpha1/publish", &["BulkPublishEventAlpha1"]),
    ("v1alpha1/subscribe", &["SubscribeTopicEventsAlpha1"]),
    ("v1/bindings", &["InvokeBinding"]),
    ("v1/secrets", &["GetSecret", "GetBulkSecret"]),
    (
        "v1/actors",
        &[
            "RegisterActorTimer",
            "UnregisterActorTimer",
            "RegisterActorReminder",
            "UnregisterActorReminder",
            "GetActorState",
            "GetActorReminder",
            "ListActorReminders",
            "ExecuteActorStateTransaction",
            "InvokeActor",
        ],
    ),
    ("v1alpha1/actors", &["SubscribeActorEventsAlpha1"]),
    ("v1/metadata", &["GetMetadata", "SetMetadata"]),
    (
        "v1alpha1/configuration",
        &[
            "GetConfigurationAlpha1",
            "SubscribeConfigurationAlpha1",
            "UnsubscribeConfigurationAlpha1",
        ],
    ),
    (
        "v1/configuration",
        &["GetConfiguration", "SubscribeConfiguration", "UnsubscribeConfiguration"],
    ),
    ("v1alpha1/lock", &["TryLockAlpha1"]),
    ("v1alpha1/unlock", &["UnlockAlpha1"]),
    ("v1alpha1/crypto", &["EncryptAlpha1", "DecryptAlpha1"]),
    (
        "v1alpha1/subtlecrypto",
        &[
            "SubtleGetKeyAlpha1",
            "SubtleEncryptAlpha1",
            "SubtleDecryptAlpha1",
            "SubtleWrapKeyAlpha1",
            "SubtleUnwrapKeyAlpha1",
            "SubtleSignAlpha1",
            "SubtleVerifyAlpha1",
        ],
    ),
    ("v1alpha1/workflows", &["StartWorkflowAlpha1", "GetWorkflowAlpha1", "PurgeWorkflowAlpha1"]),
    (
        "v1alpha1/workflows",
        &[
            "TerminateWorkflowAlpha1",
            "PauseWorkflowAlpha1",
            "ResumeWorkflowAlpha1",
            "RaiseEventWorkflowAlpha1",
        ],
    ),
    ("v1beta1/workflows", &["StartWorkflowBeta1", "GetWorkflowBeta1", "PurgeWorkflowBeta1"]),
    (
        "v1beta1/workflows",
        &[
            "TerminateWorkflowBeta1",
            "PauseWorkflowBeta1",
            "ResumeWorkflowBeta1",
            "RaiseEventWorkflowBeta1",
        ],
    ),
    ("v1alpha1/jobs", &["ScheduleJobAlpha1", "GetJobAlpha1", "DeleteJobAlpha1"]),
    ("v1/jobs", &["ScheduleJob", "GetJob", "DeleteJob"]),
    ("v1/shutdown", &["Shutdown"]),
    ("v1alpha1/conversation", &["ConverseAlpha1"]),
    ("v1alpha2/conversation", &["ConverseAlpha2"]),
    ("v1alpha1/mcp", &[]),
];

// === impl ApiAccess ===

impl ApiAccess {
    /// What the configuration lets through.
    #[must_use]
    pub fn of(configuration: &Configuration) -> Self {
        let lists = |protocol| {
            let of = |rules: &[ApiRule]| {
                let of_protocol = rules.iter().filter(|rule| rule.protocol == Some(protocol));
                of_protocol.map(|rule| format!("{}/{}", rule.version, rule.name)).collect()
            };
            let allowed = of(&configuration.api_allowed);
            Lists { allowed, denied: of(&configuration.api_denied) }
        };
        Self { http: lists(ApiProtocol::Http), grpc: lists(ApiProtocol::Grpc) }
    }

    /// Whether the route with this path, of which these are the segments, is there.
    pub(super) fn http(&self, segments: &[&str]) -> bool {
        if self.http.is_empty() {
            return true;
        }
        let [version, name, ..] = segments else { return true };
        let Some(group) = group_version(version) else { return true };
        if *name == "healthz" {
            return true;
        }
        let group = format!("{group}/{name}");
        let path = segments.join("/");
        self.http.let_through(|rule| rule == group || path.starts_with(rule))
    }

    /// Whether this method of the service `Dapr` can be called.
    pub(super) fn grpc(&self, method: &str) -> bool {
        if self.grpc.is_empty() {
            return true;
        }
        let group = GRPC.iter().find(|(_, methods)| methods.contains(&method));
        group.is_none_or(|(group, _)| self.grpc.let_through(|rule| rule == *group))
    }
}

/// The version of a group of routes: `v1` of `v1.0`, `v1alpha1` of `v1.0-alpha1`.
fn group_version(segment: &str) -> Option<String> {
    let rest = segment.strip_prefix("v1.0")?;
    if rest.is_empty() {
        return Some("v1".to_owned());
    }
    rest.strip_prefix('-').map(|rest| format!("v1{rest}"))
}

impl Lists {
    fn is_empty(&self) -> bool {
        self.allowed.is_empty() && self.denied.is_empty()
    }

    fn let_through(&self, is: impl Fn(&str) -> bool) -> bool {
        let any = |rules: &[String]| rules.iter().any(|rule| is(rule));
        !any(&self.denied) && (self.allowed.is_empty() || any(&self.allowed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(name: &str, version: &str, protocol: ApiProtocol) -> ApiRule {
        ApiRule { name: name.into(), version: version.into(), protocol: Some(protocol) }
    }

    fn access(allowed: Vec<ApiRule>, denied: Vec<ApiRule>) -> ApiAccess {
        ApiAccess::of(&Configuration {
            api_allowed: allowed,
            api_denied: denied,
            ..Configuration::default()
        })
    }

    #[test]
    fn without_rules_everything_can_be_called() {
        let access = access(vec![], vec![]);
        assert!(access.http(&["v1.0", "state", "s", "k"]) && access.grpc("GetState"));
    }

    #[test]
    fn rules_of_one_protocol_do_not_touch_the_other() {
        let access = access(vec![rule("state", "v1", ApiProtocol::Http)], vec![]);
        assert!(access.http(&["v1.0", "state", "s"]));
        assert!(!access.http(&["v1.0", "secrets", "s", "k"]));
        assert!(!access.http(&["v1.0-alpha1", "state", "s", "query"]));
        assert!(access.http(&["v1.0", "healthz"]), "health checks always stay");
        assert!(access.grpc("GetSecret"));
    }

    #[test]
    fn a_version_may_be_the_beginning_of_a_path() {
        let access = access(vec![rule("state", "v1.0", ApiProtocol::Http)], vec![]);
        assert!(access.http(&["v1.0", "state", "s"]));
        assert!(!access.http(&["v1.0", "secrets", "s", "k"]));
    }

    #[test]
    fn what_is_denied_is_so_although_it_is_allowed() {
        let state = || rule("state", "v1", ApiProtocol::Grpc);
        let access = access(vec![state()], vec![state()]);
        assert!(!access.grpc("GetState") && !access.grpc("GetSecret"));
        assert!(access.http(&["v1.0", "state", "s"]));
    }
}
