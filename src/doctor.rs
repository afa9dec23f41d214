//! `replug doctor`: what of this machine replug can use, for eyes or for programs.

use std::io::{self, IsTerminal as _, Write};

use comfy_table::{Attribute, Cell, Color, ContentArrangement, Table, presets};
use replug_supervisor::doctor::{Finding, Grade, Machine, examine};
use serde::Serialize;

use crate::check;
use crate::cli::DoctorArgs;
use crate::exit::Failure;

/// What programs read.
#[derive(Serialize)]
struct Report<'a> {
    /// No finding has failed.
    healthy: bool,
    findings: &'a [Finding],
}

/// Looks and shows. Fails where something does.
pub(crate) fn doctor(args: &DoctorArgs) -> Result<(), Failure> {
    let file = &args.config.config;
    let checked = file.exists().then(|| check::examine(file));
    let findings = examine(&Machine::this(), checked.as_ref());
    let failed = count(&findings, Grade::Fail);

    let mut out = io::stdout().lock();
    let written = if args.json {
        let report = Report { healthy: failed == 0, findings: &findings };
        let text = serde_json::to_string_pretty(&report).map_err(Failure::failed)?;
        writeln!(out, "{text}")
    } else {
        let colour = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        if checked.is_none() {
            eprintln!("replug: there is no {}: what a plan needs is not looked at", file.display());
        }
        page(&findings, colour, &mut out)
    };
    // A reader that has seen enough is no failure.
    let _ = written.and_then(|()| out.flush());
    if failed == 0 { Ok(()) } else { Err(Failure::shown()) }
}

fn count(findings: &[Finding], grade: Grade) -> usize {
    findings.iter().filter(|finding| finding.grade == grade).count()
}

/// A line for each finding, and below it what a missing thing costs and how to get it.
fn page(findings: &[Finding], colour: bool, out: &mut impl Write) -> io::Result<()> {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    for Finding { topic, grade, found, costs, remedy } in findings {
        let mut mark = Cell::new(grade);
        if colour {
            mark = match grade {
                Grade::Ok => mark.fg(Color::Green),
                Grade::Warn => mark.fg(Color::Yellow),
                Grade::Fail => mark.fg(Color::Red).add_attribute(Attribute::Bold),
            };
        }
        let costs = costs.iter().map(|costs| format!("\ncosts: {costs}"));
        let remedy = remedy.iter().map(|remedy| format!("\nto get it: {remedy}"));
        let told: String = std::iter::once(found.clone()).chain(costs).chain(remedy).collect();
        table.add_row(vec![mark, Cell::new(topic), Cell::new(told)]);
    }
    writeln!(out, "{}\n", table.trim_fmt())?;
    let [ok, warn, fail] = [Grade::Ok, Grade::Warn, Grade::Fail].map(|it| count(findings, it));
    writeln!(out, "{ok} as they should be, {warn} to know of, {fail} to mend")
}
