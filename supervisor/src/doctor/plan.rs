//! What the plan itself is told of: mistakes, and programs and folders that are not there.

use super::{Finding, Grade};
use crate::plan::{Checked, Diagnostic, Severity};

pub(super) fn examine(checked: &Checked) -> Vec<Finding> {
    let Checked { plan, diagnostics, .. } = checked;
    let mut findings: Vec<_> = diagnostics.iter().map(finding).collect();
    if let Some(plan) = plan {
        let told = match diagnostics.len() {
            0 => "nothing is wrong with it".to_owned(),
            one_or_more => format!("told of: {one_or_more}"),
        };
        let (plugins, components) = (plan.plugins.len(), plan.components.len());
        let found = format!("{plugins} plugins, {components} components; {told}");
        findings.insert(0, Finding::ok("plan", found));
    }
    findings
}

fn finding(diagnostic: &Diagnostic) -> Finding {
    let (grade, costs) = match diagnostic.severity {
        Severity::Error => (Grade::Fail, "replug does not start"),
        Severity::Warning => (Grade::Warn, "a part of the plan does not work until it is mended"),
    };
    let place = match &diagnostic.at {
        Some(at) => format!("{}:{}: ", diagnostic.file, at.line),
        None => format!("{}: ", diagnostic.file),
    };
    let found = place + &diagnostic.title();
    let remedy = diagnostic.help.clone();
    Finding { topic: "plan".into(), grade, found, costs: Some(costs.into()), remedy }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::plan::{Plan, Surroundings};

    fn grades(source: &str) -> Vec<Grade> {
        let path = Path::new("/plugins.toml");
        let checked = Plan::check(source.to_owned(), path, &Surroundings::default());
        examine(&checked).iter().map(|finding| finding.grade).collect()
    }

    #[test]
    fn a_program_that_is_not_there_is_a_warning_and_a_mistake_a_failure() {
        assert_eq!(grades(""), [Grade::Ok]);
        assert_eq!(grades("[plugins.p]\ncommand = [\"/nowhere/p\"]\n"), [Grade::Ok, Grade::Warn]);
        assert_eq!(grades("[plugins.p]\n"), [Grade::Fail]);
    }
}
