//! The order in which plugins start: that `after` and `requires` name plugins that are there, and
//! lead nowhere in a circle.

use std::collections::HashMap;

use super::nearest::nearest;
use super::place::{Fault, Findings, Place};
use super::plugin::Declared;
use super::reader::Placed;

/// Checks what `after` and `requires` of all plugins say.
pub(super) fn check(plugins: &[Placed<Declared>], findings: &mut Findings<'_>) {
    let declared: HashMap<&str, &Declared> =
        plugins.iter().map(|it| (it.value.spec.name.as_str(), &it.value)).collect();
    for plugin in plugins {
        for (name, place) in &plugin.value.after {
            if !declared.contains_key(name.as_str()) {
                unknown(name, place, &declared, findings);
            }
        }
    }
    for plugin in plugins.iter().filter(|it| it.value.enabled) {
        for (name, place) in &plugin.value.requires {
            if declared.get(name.as_str()).is_some_and(|required| !required.enabled) {
                let fault = Fault::new(
                    format!("is {name:?}, which is not enabled"),
                    "enable it, or write `enabled = false` here as well",
                );
                findings.error(place, fault);
            }
        }
    }
    circles(plugins, &declared, findings);
}

fn unknown(
    name: &str,
    place: &Place,
    declared: &HashMap<&str, &Declared>,
    findings: &mut Findings<'_>,
) {
    let mut names: Vec<&str> = declared.keys().copied().collect();
    names.sort_unstable();
    let help = nearest(name, names.iter().copied()).map_or_else(
        || format!("there are {}", names.join(", ")),
        |near| format!("did you mean {near:?}?"),
    );
    findings.missing(place, Fault::new(format!("is {name:?}, which is no plugin"), help));
}

/// Reports each circle once, at the plugin of it that stands first in the file.
fn circles(
    plugins: &[Placed<Declared>],
    declared: &HashMap<&str, &Declared>,
    findings: &mut Findings<'_>,
) {
    let mut reported: Vec<Vec<&str>> = Vec::new();
    for plugin in plugins {
        let start = plugin.value.spec.name.as_str();
        let Some(circle) = circle(start, declared) else { continue };
        let mut members = circle.clone();
        members.sort_unstable();
        if reported.contains(&members) {
            continue;
        }
        reported.push(members);
        let written = circle.iter().chain([&start]).copied().collect::<Vec<_>>().join(" → ");
        let place =
            plugin.value.after.iter().find(|(name, _)| circle.get(1).unwrap_or(&start) == name);
        let place = place.map_or(&plugin.place, |(_, place)| place);
        let fault = Fault::new(
            format!("makes a circle in which nothing can start first: {written}"),
            "take one of them out",
        );
        findings.error(place, fault);
    }
}

/// The shortest way from `start` back to itself, beginning with it.
fn circle<'p>(start: &'p str, declared: &HashMap<&'p str, &'p Declared>) -> Option<Vec<&'p str>> {
    let mut ways = std::collections::VecDeque::from([vec![start]]);
    let mut seen = Vec::new();
    while let Some(way) = ways.pop_front() {
        let last = way.last().copied().unwrap_or(start);
        for (next, _) in declared.get(last).into_iter().flat_map(|plugin| &plugin.after) {
            if next == start {
                return Some(way);
            }
            if !seen.contains(&next.as_str()) && declared.contains_key(next.as_str()) {
                seen.push(next);
                ways.push_back(way.iter().copied().chain([next.as_str()]).collect());
            }
        }
    }
    None
}
