//! `instances`: how many processes of a plugin there are.

use replug_supervisor::plan::{Change, PluginChange};

use crate::{plan, says};

#[test]
fn a_plugin_has_one_process_unless_it_or_the_defaults_say_otherwise() {
    let one = plan("[plugins.a]\ncommand = ['sh']\n");
    assert_eq!(one.plugins[0].instances, 1);
    assert_eq!(one.plugins[0].instance_name(1), "a");
    let plan = plan(
        "
        [defaults]
        instances = 3
        [plugins.a]
        command = ['sh']
        [plugins.b]
        command = ['sh']
        instances = 256
        [plugins.c]
        command = ['sh']
        instances = 1
        socket = '/fixed/c.sock'
        ",
    );
    let instances: Vec<_> = plan.plugins.iter().map(|plugin| plugin.instances).collect();
    assert_eq!(instances, [3, 256, 1]);
    assert_eq!(plan.plugins[0].instance_name(2), "a@2");
}

#[test]
fn a_number_that_is_none_is_told_with_its_place() {
    says(
        "[plugins.a]
command = ['sh']
instances = 0
[plugins.b]
command = ['sh']
instances = 257
[plugins.c]
command = ['sh']
instances = '2'
[plugins.d]
command = ['sh']
instances = 1.5
",
        &[
            "3:13: error: `plugins.a.instances` is 0; write a number from 1 on",
            "6:13: error: `plugins.b.instances` is 257; write a number from 1 to 256: each is a process",
            "9:13: error: `plugins.c.instances` is a string; write a number of processes, such as 4",
            "12:13: error: `plugins.d.instances` is a float; write a number of processes, such as 4",
        ],
    );
}

#[test]
fn several_processes_do_not_go_with_one_socket_or_one_memory() {
    says(
        "[plugins.a]
command = ['sh']
socket = '/fixed/a.sock'
instances = 2
",
        &[
            "4:13: error: `plugins.a.instances` is 2, and all of them would have one `socket`; take `socket` out, then each gets a path of its own; or write instances = 1 (3:10 the socket)",
        ],
    );
    says(
        "[defaults]
instances = 2
[plugins.a]
command = ['sh']
socket = '/fixed/a.sock'
",
        &[
            "5:10: error: `plugins.a.socket` is one path, and `[defaults]` has 2 processes of each plugin; take `socket` out, then each gets a path of its own; or write instances = 1",
        ],
    );
    says(
        "[plugins.a]
builtin = 'state.in-memory'
instances = 2
",
        &[
            "3:13: warning: `plugins.a.instances` makes 2 stores: each process has its own in its memory; write instances = 1, or take a store that they can share",
        ],
    );
}

#[test]
fn another_number_of_processes_replaces_none_of_them() {
    let of = |instances: u32, more: &str| {
        plan(&format!("[plugins.a]\ncommand = ['sh']\ninstances = {instances}\n{more}"))
    };
    let change = Change::between(&of(1, ""), &of(3, ""));
    assert!(matches!(change.plugins.as_slice(), [PluginChange::Adjusted(..)]), "{change}");
    assert_eq!(
        change.to_string(),
        "plugin a: adjusted (instances 1 → 3)\nunchanged: 0 plugins, 0 components\n"
    );
    let change = Change::between(&of(3, ""), &of(2, "env = { A = 'x' }"));
    assert!(change.to_string().contains("plugin a: replaced (env.A, instances 3 → 2)"), "{change}");
    assert_eq!(change.applied_to(&of(3, "")), of(2, "env = { A = 'x' }"));
}
