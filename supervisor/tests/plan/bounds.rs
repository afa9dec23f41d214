//! Limits, users and confinement in a plan: what is asked, and what is said of it.

use std::path::PathBuf;

use replug_supervisor::process::confinement::{Account, CapabilitySet};
use replug_supervisor::process::{Confinement, Limits};

use crate::{plan, says};

#[test]
fn every_limit_and_every_part_of_the_confinement_counts() {
    let plan = plan(
        r#"
        [plugins.a]
        command = ["sh"]
        limits = { memory = "256M", tasks = 64, cpu_weight = 50, cpu_quota = "150%", open_files = 1024, core = "0" }
        require_limits = true
        nice = -5
        oom_score_adj = 500
        user = "root"
        group = "0"
        supplementary_groups = ["root"]
        umask = "027"
        no_new_privs = true
        capabilities = ["net_bind_service", "CAP_CHOWN"]
        read_only = ["/etc"]
        writable = ["/etc/../tmp"]
        hidden = ["/var"]
        network = false
        "#,
    );
    let [a] = plan.plugins.as_slice() else { panic!("{plan:?}") };
    let limits = Limits {
        memory: Some(256 << 20),
        tasks: Some(64),
        cpu_weight: Some(50),
        cpu_quota: Some(150),
        open_files: Some(1024),
        core: Some(0),
        nice: Some(-5),
        oom_score_adj: Some(500),
        required: true,
    };
    assert_eq!(a.limits, limits);
    let confinement = Confinement {
        account: Account {
            user: Some("root".into()),
            group: Some("0".into()),
            groups: vec!["root".into()],
        },
        umask: Some(0o027),
        no_new_privs: true,
        capabilities: Some(CapabilitySet::NET_BIND_SERVICE | CapabilitySet::CHOWN),
        read_only: vec!["/etc".into()],
        writable: vec!["/etc/../tmp".into()],
        hidden: vec!["/var".into()],
        homes_hidden: false,
        no_network: true,
    };
    assert_eq!(a.confinement, confinement);
}

#[test]
fn nothing_is_limited_or_closed_unless_told() {
    let plan = plan("[plugins.a]\ncommand = ['sh']\n");
    assert_eq!(plan.plugins[0].limits, Limits::default());
    assert_eq!(plan.plugins[0].confinement, Confinement::default());
}

#[test]
fn a_strict_sandbox_is_a_set_of_which_every_part_can_be_said_otherwise() {
    let plan = plan(
        r#"
        [plugins.a]
        command = ["sh"]
        sandbox = "strict"

        [plugins.b]
        command = ["sh"]
        sandbox = "strict"
        no_new_privs = false
        capabilities = ["chown"]
        read_only = []
        writable = ["/var"]
        hidden = []
        umask = "022"
        limits = { core = "1G" }
        "#,
    );
    let [a, b] = plan.plugins.as_slice() else { panic!("{plan:?}") };
    let temporary = || ["/tmp", "/var/tmp"].map(PathBuf::from);
    let strict = Confinement {
        umask: Some(0o077),
        no_new_privs: true,
        capabilities: Some(CapabilitySet::empty()),
        read_only: vec!["/".into()],
        writable: temporary().into(),
        homes_hidden: true,
        ..Confinement::default()
    };
    assert_eq!((&a.confinement, a.limits.core), (&strict, Some(0)));
    let otherwise = Confinement {
        umask: Some(0o022),
        capabilities: Some(CapabilitySet::CHOWN),
        writable: ["/var".into()].into_iter().chain(temporary()).collect(),
        ..Confinement::default()
    };
    assert_eq!((&b.confinement, b.limits.core), (&otherwise, Some(1 << 30)));
}

#[test]
fn defaults_bound_plugins_that_say_nothing() {
    let plan = plan(
        r#"
        [defaults]
        sandbox = "strict"
        limits = { memory = "64M", tasks = 8 }
        user = "root"
        group = "root"

        [plugins.a]
        command = ["sh"]
        limits = { tasks = 9 }

        [plugins.b]
        command = ["sh"]
        sandbox = "none"
        user = "0"
        "#,
    );
    let [a, b] = plan.plugins.as_slice() else { panic!("{plan:?}") };
    assert_eq!((a.limits.memory, a.limits.tasks), (Some(64 << 20), Some(9)));
    assert!(a.confinement.homes_hidden && a.confinement.account.group.is_some());
    assert_eq!((b.limits.memory, b.limits.tasks), (Some(64 << 20), Some(8)));
    // A group belongs to its user, and another user has another.
    let account = Account { user: Some("0".into()), ..Account::default() };
    assert_eq!(b.confinement, Confinement { account, ..Confinement::default() });
}

#[test]
fn what_cannot_be_a_limit_is_told_with_what_can() {
    says(
        r#"[plugins.a]
command = ["sh"]
limits = { memory = 256, tasks = 0, cpu_weight = 20000, cpu_quota = "half", open_files = "1K", core = "none", ram = "1G" }
nice = 20
oom_score_adj = "low"
require_limits = "yes"
[plugins.b]
command = ["sh"]
limits = "256M"
nice = 1.5
[plugins.c]
command = ["sh"]
limits = { memory = "0", cpu_quota = "0%" }
"#,
        &[
            r#"3:21: error: `plugins.a.limits.memory` is an integer; write a size in quotes, such as "256M""#,
            "3:34: error: `plugins.a.limits.tasks` is 0; write a number from 1 to 4194304",
            "3:50: error: `plugins.a.limits.cpu_weight` is 20000; write a number from 1 to 10000",
            r#"3:69: error: `plugins.a.limits.cpu_quota` is "half", which is no share; write a whole number of percent of one processor, such as "50%" or "200%""#,
            "3:90: error: `plugins.a.limits.open_files` is a string; write a number of descriptors, such as 1024",
            r#"3:103: error: `plugins.a.limits.core` is "none", which is no size; write a whole number and a unit out of K, M, G and T (of 1024), such as "64M""#,
            "3:111: error: `plugins.a.limits.ram` is no key that replug knows; there are `memory`, `core`, `tasks`, `cpu_weight`, `open_files`, `cpu_quota`",
            "4:8: error: `plugins.a.nice` is 20; write a number from -20 to 19",
            "5:17: error: `plugins.a.oom_score_adj` is a string; write a number from -1000 to 1000",
            "6:18: error: `plugins.a.require_limits` is a string; write true or false",
            r#"9:10: error: `plugins.b.limits` is a string; write a table, such as { memory = "256M" }"#,
            "10:8: error: `plugins.b.nice` is a float; write a number from -20 to 19",
            r#"13:21: error: `plugins.c.limits.memory` is zero; write a size above zero, such as "256M""#,
            r#"13:38: error: `plugins.c.limits.cpu_quota` is "0%", which is no share; write a whole number of percent of one processor, such as "50%" or "200%""#,
        ],
    );
}

#[test]
fn what_cannot_confine_is_told_with_what_can() {
    says(
        r#"[plugins.a]
command = ["sh"]
user = ""
group = 3
supplementary_groups = "root"
umask = "+27"
no_new_privs = 1
capabilities = ["net_bind_servic", 7]
read_only = "/"
writable = [""]
hidden = [1]
network = "off"
sandbox = "strikt"
[plugins.b]
command = ["sh"]
user = "no-such-user"
umask = 22
capabilities = "none"
hidden = ["/no/such/folder"]
"#,
        &[
            "3:8: error: `plugins.a.user` is empty; write a name, or take the key out: then it is replug's own",
            "4:9: error: `plugins.a.group` is an integer; write a group's name in quotes",
            r#"5:24: error: `plugins.a.supplementary_groups` is a string; write an array of names, such as ["ssl-cert"]"#,
            r#"6:9: error: `plugins.a.umask` is "+27", which is no umask; write octal digits from "000" to "777", such as "027""#,
            "7:16: error: `plugins.a.no_new_privs` is an integer; write true or false",
            r#"8:17: error: `plugins.a.capabilities[0]` is "net_bind_servic", which is no capability; did you mean "net_bind_service"?"#,
            "8:36: error: `plugins.a.capabilities[1]` is an integer; write a capability's name in quotes",
            r#"9:13: error: `plugins.a.read_only` is a string; write an array of paths, such as ["/var/lib/shop"]"#,
            "10:13: error: `plugins.a.writable[0]` is empty; write a path",
            "11:11: error: `plugins.a.hidden[0]` is an integer; write a path in quotes",
            "12:11: error: `plugins.a.network` is a string; write true or false",
            r#"13:11: error: `plugins.a.sandbox` is "strikt"; did you mean "strict"?"#,
            r#"16:8: warning: `plugins.b.user` is "no-such-user", and there is no user no-such-user; the plugin will fail to start until there is; see useradd(8), sysusers.d(5)"#,
            r#"17:9: error: `plugins.b.umask` is an integer; write octal digits in quotes, such as "027""#,
            r#"18:16: error: `plugins.b.capabilities` is a string; write an array of what is kept, such as ["net_bind_service"], or [] for none"#,
            "19:11: warning: `plugins.b.hidden[0]` names /no/such/folder, which does not exist; it counts from the plugin's next start on, once it is there",
        ],
    );
}
