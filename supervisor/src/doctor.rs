//! What of this machine replug can use, what each missing thing costs, and how to get it.
//!
//! It looks and changes nothing. What depends on a plan is
//! looked at where there is one. Each topic is a module of its own, in which what the machine says
//! is apart from what that means.

mod confinement;
mod folders;
mod holder;
mod kernel;
mod limits;
mod listens;
mod machine;
mod plan;
mod service;

use std::fmt;

use serde::Serialize;

pub use self::machine::Machine;
use crate::plan::Checked;
use crate::process::Abilities;

/// What was found on one topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it is about, in a word or two.
    pub topic: String,
    /// How good it is.
    pub grade: Grade,
    /// What is there.
    pub found: String,
    /// What replug cannot do for it; none where nothing is missing.
    pub costs: Option<String>,
    /// How what is missing can be had.
    pub remedy: Option<String>,
}

/// How good what was found is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Grade {
    /// Nothing is missing.
    Ok,
    /// replug runs, and something that it can do elsewhere it cannot do here.
    Warn,
    /// replug does not run, or something that the plan asks for does not.
    Fail,
}

/// Looks at the machine, and at what the plan needs of it where there is one. Blocks for some
/// milliseconds.
#[must_use]
pub fn examine(machine: &Machine, checked: Option<&Checked>) -> Vec<Finding> {
    let plan = checked.and_then(|checked| checked.plan.as_ref());
    let abilities = Abilities::probe();
    let mut findings = kernel::examine(machine, &abilities);
    findings.extend(confinement::examine(&abilities));
    findings.extend(limits::examine(machine, plan));
    findings.extend(service::examine(machine));
    if let Some(checked) = checked {
        findings.extend(plan::examine(checked));
    }
    if let Some(plan) = plan {
        findings.extend(folders::examine(plan));
        findings.extend(listens::examine(machine, plan));
    }
    findings
}

// === impl Finding ===

impl Finding {
    fn ok(topic: impl Into<String>, found: impl Into<String>) -> Self {
        Self {
            topic: topic.into(),
            grade: Grade::Ok,
            found: found.into(),
            costs: None,
            remedy: None,
        }
    }

    fn warn(topic: impl Into<String>, found: impl Into<String>) -> Self {
        Self { grade: Grade::Warn, ..Self::ok(topic, found) }
    }

    fn fail(topic: impl Into<String>, found: impl Into<String>) -> Self {
        Self { grade: Grade::Fail, ..Self::ok(topic, found) }
    }

    fn costs(self, costs: impl Into<String>) -> Self {
        Self { costs: Some(costs.into()), ..self }
    }

    fn remedy(self, remedy: impl Into<String>) -> Self {
        Self { remedy: Some(remedy.into()), ..self }
    }
}

// === impl Grade ===

impl fmt::Display for Grade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        })
    }
}
