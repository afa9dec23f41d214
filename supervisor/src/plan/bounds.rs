//! What a plugin may use and what is closed to it: `limits`, `user`, `sandbox` and their like. Said
//! by a plugin, or by `[defaults]` for all that do not say it.

use std::path::PathBuf;

use super::place::{Fault, Findings};
use super::plugin::one_of;
use super::reader::{Context, Entry, Section};
use super::value;
use crate::process::confinement::{Account, CapabilitySet, find_group, find_user};
use crate::process::{Confinement, Limits};

/// What `sandbox = "strict"` leaves open to writes, besides a plugin's own socket folder.
const STRICT_WRITABLE: [&str; 2] = ["/tmp", "/var/tmp"];

/// The permissions that `sandbox = "strict"` takes from others than the plugin's own user.
const STRICT_UMASK: u32 = 0o077;

const SANDBOXES: [(&str, Sandbox); 2] = [("strict", Sandbox::Strict), ("none", Sandbox::None)];

/// A set of settings under one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sandbox {
    Strict,
    None,
}

/// What is asked; none where nothing is said.
#[derive(Debug, Clone, Default)]
pub(super) struct Bounds {
    limits: Limits,
    required: Option<bool>,
    account: Account,
    umask: Option<u32>,
    no_new_privs: Option<bool>,
    capabilities: Option<CapabilitySet>,
    read_only: Option<Vec<PathBuf>>,
    writable: Option<Vec<PathBuf>>,
    hidden: Option<Vec<PathBuf>>,
    network: Option<bool>,
    sandbox: Option<Sandbox>,
}

impl Bounds {
    /// What the table says; `base` where it says nothing.
    pub(super) fn read(
        section: &mut Section<'_>,
        base: &Self,
        context: &Context<'_>,
        findings: &mut Findings<'_>,
    ) -> Self {
        let mut limits = section
            .get("limits")
            .and_then(|entry| entry.table("a table, such as { memory = \"256M\" }", findings))
            .map_or(base.limits, |table| limits(table, base.limits, findings));
        let nice = section
            .get("nice")
            .and_then(|entry| number(&entry, "a number from -20 to 19", -20..=19, findings));
        let oom_score_adj = section.get("oom_score_adj").and_then(|entry| {
            number(&entry, "a number from -1000 to 1000", -1000..=1000, findings)
        });
        let narrow = |number: i64| i32::try_from(number).ok();
        limits.nice = nice.and_then(narrow).or(limits.nice);
        limits.oom_score_adj = oom_score_adj.and_then(narrow).or(limits.oom_score_adj);
        let mut boolean =
            |key: &'static str, findings: &mut Findings<'_>| section.get(key)?.boolean(findings);
        let required = boolean("require_limits", findings);
        let no_new_privs = boolean("no_new_privs", findings);
        let network = boolean("network", findings);
        let mut list = |key: &'static str, findings: &mut Findings<'_>| {
            paths(&section.get(key)?, context, findings)
        };
        let read_only = list("read_only", findings);
        let writable = list("writable", findings);
        let hidden = list("hidden", findings);
        let umask = section.get("umask").and_then(|entry| {
            entry.parsed("octal digits in quotes, such as \"027\"", findings, umask)
        });
        let capabilities =
            section.get("capabilities").and_then(|entry| capabilities(&entry, findings));
        let sandbox = section.get("sandbox").and_then(|entry| {
            entry.parsed("\"strict\" or \"none\"", findings, |text| one_of(text, &SANDBOXES))
        });
        Self {
            limits,
            required: required.or(base.required),
            account: account(section, &base.account, findings),
            umask: umask.or(base.umask),
            no_new_privs: no_new_privs.or(base.no_new_privs),
            capabilities: capabilities.or(base.capabilities),
            read_only: read_only.or_else(|| base.read_only.clone()),
            writable: writable.or_else(|| base.writable.clone()),
            hidden: hidden.or_else(|| base.hidden.clone()),
            network: network.or(base.network),
            sandbox: sandbox.or(base.sandbox),
        }
    }

    /// What the plugin may use.
    pub(super) fn limits(&self) -> Limits {
        let strict = self.sandbox == Some(Sandbox::Strict);
        Limits {
            core: self.limits.core.or(strict.then_some(0)),
            required: self.required.unwrap_or(false),
            ..self.limits
        }
    }

    /// What is closed to the plugin.
    pub(super) fn confinement(self) -> Confinement {
        let strict = self.sandbox == Some(Sandbox::Strict);
        let mut writable = self.writable.unwrap_or_default();
        if strict {
            writable.extend(STRICT_WRITABLE.map(PathBuf::from));
        }
        let everything = || if strict { vec![PathBuf::from("/")] } else { Vec::new() };
        Confinement {
            account: self.account,
            umask: self.umask.or(strict.then_some(STRICT_UMASK)),
            no_new_privs: self.no_new_privs.unwrap_or(strict),
            capabilities: self.capabilities.or(strict.then(CapabilitySet::empty)),
            read_only: self.read_only.unwrap_or_else(everything),
            writable,
            homes_hidden: strict && self.hidden.is_none(),
            hidden: self.hidden.unwrap_or_default(),
            no_network: !self.network.unwrap_or(true),
        }
    }
}

/// What the table says; `base` where it says nothing.
fn limits(mut table: Section<'_>, base: Limits, findings: &mut Findings<'_>) -> Limits {
    let mut size = |key: &'static str, least: u64, findings: &mut Findings<'_>| {
        let entry = table.get(key)?;
        let wanted = "a size in quotes, such as \"256M\"";
        let size = entry.parsed(wanted, findings, value::size)?;
        if size < least {
            let fault = Fault::new("is zero", "write a size above zero, such as \"256M\"");
            findings.error(&entry.place, fault);
        }
        Some(size)
    };
    let memory = size("memory", 1, findings);
    let core = size("core", 0, findings);
    let mut count = |key: &'static str, range: std::ops::RangeInclusive<i64>, wanted: &str| {
        let number = number(&table.get(key)?, wanted, range, findings)?;
        u64::try_from(number).ok()
    };
    let tasks = count("tasks", 1..=4_194_304, "a number of processes and threads, such as 64");
    let cpu_weight = count("cpu_weight", 1..=10_000, "a number from 1 to 10000");
    let open_files =
        count("open_files", 3..=1_073_741_816, "a number of descriptors, such as 1024");
    let cpu_quota = table.get("cpu_quota").and_then(|entry| {
        entry.parsed("a share of one processor in quotes, such as \"50%\"", findings, percent)
    });
    table.finish(&[], findings);
    Limits {
        memory: memory.or(base.memory),
        tasks: tasks.or(base.tasks),
        cpu_weight: cpu_weight.or(base.cpu_weight),
        cpu_quota: cpu_quota.or(base.cpu_quota),
        open_files: open_files.or(base.open_files),
        core: core.or(base.core),
        ..base
    }
}

/// `50%`: of one processor; two processors are `200%`.
fn percent(text: &str) -> Result<u64, Fault> {
    /// Of more processors than a machine has.
    const MOST: u64 = 1_000_000;
    let number = text.strip_suffix('%').and_then(|number| number.parse().ok());
    number.filter(|percent| (1..=MOST).contains(percent)).ok_or_else(|| {
        Fault::new(
            format!("is {text:?}, which is no share"),
            "write a whole number of percent of one processor, such as \"50%\" or \"200%\"",
        )
    })
}

/// `027`.
fn umask(text: &str) -> Result<u32, Fault> {
    let mask = u32::from_str_radix(text, 8).ok().filter(|mask| *mask <= 0o777);
    mask.filter(|_| !text.starts_with('+')).ok_or_else(|| {
        let help = "write octal digits from \"000\" to \"777\", such as \"027\"";
        Fault::new(format!("is {text:?}, which is no umask"), help)
    })
}

/// The value as a number in a range; `wanted` says which.
fn number(
    entry: &Entry<'_>,
    wanted: &str,
    range: std::ops::RangeInclusive<i64>,
    findings: &mut Findings<'_>,
) -> Option<i64> {
    let toml::de::DeValue::Integer(written) = entry.value else {
        entry.mistyped(wanted, findings);
        return None;
    };
    let number = value::integer(written).filter(|number| range.contains(number));
    if number.is_none() {
        let help = format!("write a number from {} to {}", range.start(), range.end());
        findings.error(&entry.place, Fault::new(format!("is {written}"), help));
    }
    number
}

/// Paths, as seen from the folder of the plan. One that is not there is passed over when a plugin
/// is started, which deserves a word.
fn paths(
    entry: &Entry<'_>,
    context: &Context<'_>,
    findings: &mut Findings<'_>,
) -> Option<Vec<PathBuf>> {
    let items = entry.array("an array of paths, such as [\"/var/lib/shop\"]", findings)?;
    let mut paths = Vec::new();
    for item in items {
        let Some(text) = item.os_text("a path in quotes", findings) else { continue };
        if text.is_empty() {
            findings.error(&item.place, Fault::new("is empty", "write a path"));
            continue;
        }
        let path = context.path(text);
        if !path.exists() {
            let message = format!("names {}, which does not exist", path.display());
            let help = "it counts from the plugin's next start on, once it is there";
            findings.warning(&item.place, Fault::new(message, help));
        }
        paths.push(path);
    }
    Some(paths)
}

/// The rights of root that are kept, by their names in lower case or as the kernel writes them.
fn capabilities(entry: &Entry<'_>, findings: &mut Findings<'_>) -> Option<CapabilitySet> {
    let wanted = "an array of what is kept, such as [\"net_bind_service\"], or [] for none";
    let mut kept = CapabilitySet::empty();
    for item in entry.array(wanted, findings)? {
        let known = item.parsed("a capability's name in quotes", findings, capability);
        kept |= known.unwrap_or(CapabilitySet::empty());
    }
    Some(kept)
}

fn capability(text: &str) -> Result<CapabilitySet, Fault> {
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("CAP_").unwrap_or(&upper);
    CapabilitySet::from_name(name).ok_or_else(|| {
        let names: Vec<_> =
            CapabilitySet::all().iter_names().map(|(name, _)| name.to_lowercase()).collect();
        let near = super::nearest(&name.to_lowercase(), names.iter().map(String::as_str));
        Fault::new(
            format!("is {text:?}, which is no capability"),
            near.map_or_else(
                || "write a name such as \"net_bind_service\"; see capabilities(7)".to_owned(),
                |name| format!("did you mean {name:?}?"),
            ),
        )
    })
}

/// Whom the plugin runs as. A name that the machine does not know may become known.
fn account(section: &mut Section<'_>, base: &Account, findings: &mut Findings<'_>) -> Account {
    let user = section.get("user").and_then(|entry| {
        name(&entry, "a user's name in quotes", findings, |name| find_user(name).map(drop))
    });
    let a_group = |name: &str| find_group(name).map(|_| ());
    let group = section
        .get("group")
        .and_then(|entry| name(&entry, "a group's name in quotes", findings, a_group));
    let groups = section.get("supplementary_groups").and_then(|entry| {
        let items = entry.array("an array of names, such as [\"ssl-cert\"]", findings)?;
        let names = items
            .iter()
            .filter_map(|item| name(item, "a group's name in quotes", findings, a_group));
        Some(names.collect())
    });
    // A group belongs to its user: another user does not take the one of the defaults.
    let base = if user.is_some() { &Account::default() } else { base };
    Account {
        group: group.or_else(|| base.group.clone()),
        groups: groups.unwrap_or_else(|| base.groups.clone()),
        user: user.or_else(|| base.user.clone()),
    }
}

fn name(
    entry: &Entry<'_>,
    wanted: &str,
    findings: &mut Findings<'_>,
    find: impl FnOnce(&str) -> Result<(), String>,
) -> Option<String> {
    let name = entry.os_text(wanted, findings)?;
    if name.is_empty() {
        let help = "write a name, or take the key out: then it is replug's own";
        findings.error(&entry.place, Fault::new("is empty", help));
        return None;
    }
    if let Err(why) = find(name) {
        let message = format!("is {name:?}, and {why}");
        let help = "the plugin will fail to start until there is; see useradd(8), sysusers.d(5)";
        findings.warning(&entry.place, Fault::new(message, help));
    }
    Some(name.to_owned())
}
