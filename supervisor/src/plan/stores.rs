//! The secret stores that components and plugins refer to: that they are there, and that none of
//! them needs, by whatever way, what it is needed for.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use replug_component::BuildingBlock;
use replug_runtime::component::{ComponentSpec, SecretReference};

use super::Launch;
use super::component;
use super::nearest::nearest;
use super::place::{Fault, Findings, Place};
use super::plugin;
use super::reader::Placed;

/// Whoever needs something before it can work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Node<'p> {
    Component(&'p str),
    Plugin(&'p str),
}

/// What each needs: others, and where that is said if it is by a reference.
type Needs<'p> = BTreeMap<Node<'p>, Vec<(Node<'p>, Option<&'p Place>)>>;

/// Checks what all of them refer to.
pub(super) fn check(
    plugins: &[Placed<plugin::Declared>],
    components: &[Placed<component::Declared>],
    resources: &[ComponentSpec],
    findings: &mut Findings<'_>,
) {
    let by_components = components.iter().flat_map(|it| &it.value.secrets);
    let by_plugins = plugins.iter().flat_map(|it| &it.value.secrets);
    for (reference, place) in by_components.chain(by_plugins) {
        if resources.iter().any(|spec| is_store(spec) && spec.name == reference.store) {
            continue;
        }
        is_there(reference, place, components, findings);
    }
    circles(&needs(plugins, components), findings);
}

fn is_store(spec: &ComponentSpec) -> bool {
    spec.component_type.block() == BuildingBlock::SecretStores
}

fn is_there(
    reference: &SecretReference,
    place: &Place,
    components: &[Placed<component::Declared>],
    findings: &mut Findings<'_>,
) {
    let block = |declared: &component::Declared| {
        declared.spec.as_ref().map(|spec| spec.component_type.block())
    };
    let store = &reference.store;
    match components.iter().find(|it| it.value.name == *store).map(|it| block(&it.value)) {
        // One whose type is not known has been reported.
        Some(None | Some(BuildingBlock::SecretStores)) => {}
        Some(Some(other)) => findings.error(
            place,
            Fault::new(
                format!("takes a secret of `{store}`, which is a component of the block {other}"),
                "name a component whose type begins with `secretstores.`",
            ),
        ),
        None => {
            let stores = components.iter().filter(|it| {
                block(&it.value).is_none_or(|block| block == BuildingBlock::SecretStores)
            });
            let mut names: Vec<&str> = stores.map(|it| it.value.name.as_str()).collect();
            names.sort_unstable();
            let help = match nearest(store, names.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None if names.is_empty() => format!(
                    "declare it: [components.{store}] with type = \"secretstores.local.file\", say"
                ),
                None => format!("there are {}", names.join(", ")),
            };
            let message = format!("takes a secret of `{store}`, which is no component");
            findings.missing(place, Fault::new(message, help));
        }
    }
}

fn needs<'p>(
    plugins: &'p [Placed<plugin::Declared>],
    components: &'p [Placed<component::Declared>],
) -> Needs<'p> {
    fn stores(
        secrets: &[(SecretReference, Place)],
    ) -> impl Iterator<Item = (Node<'_>, Option<&Place>)> {
        secrets.iter().map(|(reference, place)| (Node::Component(&reference.store), Some(place)))
    }
    let component = |declared: &'p component::Declared| {
        // What a command serves is only known when it runs.
        let servers = plugins.iter().filter(|it| match (&it.value.spec.launch, &declared.spec) {
            (Launch::Builtin { component_type, .. }, Some(spec)) => {
                *component_type == spec.component_type
            }
            _ => false,
        });
        let servers = servers.map(|it| (Node::Plugin(&it.value.spec.name), None));
        (Node::Component(&declared.name), stores(&declared.secrets).chain(servers).collect())
    };
    let plugin = |declared: &'p plugin::Declared| {
        let before = declared.after.iter().map(|(name, _)| (Node::Plugin(name), None));
        (Node::Plugin(&declared.spec.name), stores(&declared.secrets).chain(before).collect())
    };
    let components = components.iter().map(|it| component(&it.value));
    components.chain(plugins.iter().map(|it| plugin(&it.value))).collect()
}

/// Reports each circle once, at a reference in it. One without is a circle of the plugins' order.
fn circles(needs: &Needs<'_>, findings: &mut Findings<'_>) {
    let mut reported: Vec<Vec<Node<'_>>> = Vec::new();
    for start in needs.keys() {
        let Some((circle, Some(place))) = circle(*start, needs) else { continue };
        let mut members = circle.clone();
        members.sort_unstable();
        if reported.contains(&members) {
            continue;
        }
        reported.push(members);
        let written = circle.iter().chain([start]).map(ToString::to_string).collect::<Vec<_>>();
        let fault = Fault::new(
            format!("makes a circle in which nothing can come first: {}", written.join(" → ")),
            "keep one of these secrets elsewhere, in a file or in a store that needs none of them",
        );
        findings.error(place, fault);
    }
}

/// The shortest way from `start` back to itself, beginning with it, and the first reference on it.
fn circle<'p>(start: Node<'p>, needs: &Needs<'p>) -> Option<(Vec<Node<'p>>, Option<&'p Place>)> {
    let mut ways = VecDeque::from([(vec![start], None)]);
    let mut seen = Vec::new();
    while let Some((way, said)) = ways.pop_front() {
        let last = way.last().copied().unwrap_or(start);
        for (next, place) in needs.get(&last).into_iter().flatten() {
            let said = said.or(*place);
            if *next == start {
                return Some((way, said));
            }
            if !seen.contains(next) {
                seen.push(*next);
                ways.push_back((way.iter().copied().chain([*next]).collect(), said));
            }
        }
    }
    None
}

impl fmt::Display for Node<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Component(name) => write!(f, "component {name}"),
            Self::Plugin(name) => write!(f, "plugin {name}"),
        }
    }
}
