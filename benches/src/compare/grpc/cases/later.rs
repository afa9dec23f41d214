//! Calls that replug does not have yet.

use super::setup;
use crate::compare::grpc::call::{DAPR, Group, framed};

/// Methods by the building block that they wait for.
const METHODS: [(&str, &[&str]); 8] = [
    ("service invocation", &["InvokeService"]),
    (
        "actors",
        &[
            "RegisterActorTimer",
            "UnregisterActorTimer",
            "RegisterActorReminder",
            "UnregisterActorReminder",
            "UnregisterActorRemindersByType",
            "ListActorReminders",
            "GetActorState",
            "GetActorReminder",
            "ExecuteActorStateTransaction",
            "InvokeActor",
            "SubscribeActorEventsAlpha1",
        ],
    ),
    (
        "configuration",
        &[
            "GetConfigurationAlpha1",
            "GetConfiguration",
            "SubscribeConfigurationAlpha1",
            "SubscribeConfiguration",
            "UnsubscribeConfigurationAlpha1",
            "UnsubscribeConfiguration",
        ],
    ),
    ("distributed lock", &["TryLockAlpha1", "UnlockAlpha1"]),
    (
        "cryptography",
        &[
            "EncryptAlpha1",
            "DecryptAlpha1",
            "SubtleGetKeyAlpha1",
            "SubtleEncryptAlpha1",
            "SubtleDecryptAlpha1",
            "SubtleWrapKeyAlpha1",
            "SubtleUnwrapKeyAlpha1",
            "SubtleSignAlpha1",
            "SubtleVerifyAlpha1",
        ],
    ),
    ("workflow", &["StartWorkflowBeta1", "GetWorkflowBeta1", "PurgeWorkflowBeta1"]),
    ("jobs", &["ScheduleJobAlpha1", "ScheduleJob", "GetJob", "DeleteJob", "ListJobs"]),
    ("conversation", &["ConverseAlpha1", "ConverseAlpha2"]),
];

pub(super) fn group() -> Group {
    let mut group = Group::new(setup("later"));
    for (block, methods) in METHODS {
        for method in methods {
            group.raw(&format!("{DAPR}{method}"), "an empty message", framed(b"")).later(block);
        }
    }
    for version in ["v1", "v1alpha"] {
        let path = format!("/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo");
        group.raw(&path, "the services", framed(b"\x3a\x00"));
    }
    group
}
