//! docs/dapr-features.md says what the code does: its tables of calls, flags, built-ins and metrics are
//! held against the sources, line by line.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use replug_runtime::resources::MetricsSettings;
use replug_runtime::telemetry::Telemetry;

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The rows of the tables below a heading: what stands in the first cell, and the answer.
fn rows(heading: &str, answer: &str) -> BTreeMap<String, String> {
    let page = read("docs/dapr-features.md");
    let section = page.split("\n## ").find(|section| section.starts_with(heading));
    let section = section.unwrap_or_else(|| panic!("the page has no {heading:?}"));
    let mut at = None;
    let mut rows = BTreeMap::new();
    for line in section.lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        if cells.len() < 3 {
            at = None;
        } else if let Some(at) = at {
            if let Some(name) = cells[1].strip_prefix('`').and_then(|name| name.strip_suffix('`')) {
                let twice = rows.insert(name.to_owned(), String::from(cells[at]));
                assert!(twice.is_none(), "{name} is there twice");
            }
        } else {
            at = cells.iter().position(|cell| *cell == answer);
        }
    }
    assert!(!rows.is_empty(), "{heading:?} has no table with {answer:?}");
    rows
}

fn is_done(answer: &str) -> bool {
    match answer {
        "same" | "better" | "partly" => true,
        "not yet" | "never" => false,
        other => panic!("{other:?} is no answer of the page"),
    }
}

/// The rpcs of Dapr's services whose names begin so.
fn rpcs(services: &str) -> Vec<(String, String)> {
    let facts = read("proto/tests/facts/dapr.tsv");
    let rows = facts.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    let rpcs = rows.filter(|row| row[0] == "rpc" && row[1].starts_with(services));
    rpcs.map(|row| (row[1].rsplit('.').next().unwrap().to_owned(), row[3].to_owned())).collect()
}

/// A name as Rust's generated code has it.
fn snake(name: &str) -> String {
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

#[test]
fn every_call_of_the_application_is_answered_as_the_page_says() {
    let page = rows("Calls of the application, over gRPC", "answer");
    let served = read("runtime/src/api/dapr/grpc.rs");
    for (_, rpc) in rpcs("dapr.proto.runtime.v1.Dapr") {
        if rpc.starts_with("On") || !page.contains_key(&rpc) {
            let callbacks = rpcs("dapr.proto.runtime.v1.AppCallback");
            assert!(callbacks.iter().any(|(_, name)| *name == rpc), "{rpc} is not in the page");
            continue;
        }
        let is_served = served.contains(&format!("async fn {}(", snake(&rpc)));
        assert_eq!(is_done(&page[&rpc]), is_served, "{rpc}");
    }
    for call in page.keys().filter(|name| name.starts_with(char::is_uppercase)) {
        let known = rpcs("dapr.proto.runtime.v1.Dapr");
        assert!(known.iter().any(|(_, rpc)| rpc == call), "{call} is no rpc of Dapr");
    }
}

#[test]
fn every_call_into_the_application_and_to_plugins_is_in_the_page() {
    let page = rows("Calls into the application", "answer");
    for (_, rpc) in rpcs("dapr.proto.runtime.v1.AppCallback") {
        is_done(page.get(&rpc).unwrap_or_else(|| panic!("{rpc} is not in the page")));
    }
    let page = rows("Contracts of plugins", "answer");
    for (service, rpc) in rpcs("dapr.proto.components.v1.") {
        let name = format!("{service}.{rpc}");
        is_done(page.get(&name).unwrap_or_else(|| panic!("{name} is not in the page")));
    }
}

#[test]
fn every_flag_is_in_the_page_and_no_other() {
    let source = read("src/daprd/flags.rs");
    let table = source.split("const FLAGS").nth(1).unwrap().split("\n];").next().unwrap();
    let flags: BTreeSet<String> = ["text(", "switch(", "list("]
        .iter()
        .flat_map(|call| table.split(call).skip(1))
        .map(|rest| format!("--{}", rest.split('"').nth(1).unwrap()))
        .collect();
    assert!(flags.len() > 50, "{flags:?}");
    let page = rows("Flags of daprd", "answer");
    assert_eq!(page.keys().cloned().collect::<BTreeSet<_>>(), flags);
    // What the usage says that replug has not, the page does not say that it has.
    for (flag, answer) in &page {
        let mut lines =
            table.lines().skip_while(|line| !line.contains(&format!("{:?}", &flag[2..])));
        let entry = lines.next().unwrap();
        if entry.contains("replug has none") || entry.contains("does not use it") {
            assert!(!is_done(answer), "{flag}");
        }
    }
}

#[test]
fn every_built_in_is_in_the_page_and_no_other() {
    let page: BTreeSet<_> = rows("Built-in components", "answer").into_keys().collect();
    let types = replug_runtime::builtin::types();
    let types = types.iter().map(|builtin| builtin.component_type().to_string());
    assert_eq!(page, types.collect::<BTreeSet<_>>());
}

#[test]
fn the_metrics_that_the_page_has_are_those_that_are_kept() {
    let settings = MetricsSettings { record_error_codes: true, ..MetricsSettings::default() };
    let telemetry = Telemetry::new("app", "", &settings);
    let kept: BTreeSet<_> = telemetry.names().iter().cloned().collect();
    let page = rows("Metrics", "answer");
    let told = page.iter().filter(|(_, answer)| is_done(answer)).map(|(name, _)| name.clone());
    assert_eq!(told.collect::<BTreeSet<_>>(), kept);
}
