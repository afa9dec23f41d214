//! The change from one plan to another.

use std::fmt::Write as _;

use proptest::prelude::*;
use replug_supervisor::plan::{Change, Plan};

use crate::plan;

/// What the change from one text to the other is shown as.
fn shown(old: &str, new: &str) -> String {
    Change::between(&plan(old), &plan(new)).to_string()
}

#[test]
fn a_command_or_a_variable_takes_another_process_and_a_timeout_does_not() {
    let old = "
[plugins.a]
command = ['sh']
env = { A = 'word-1', B = 'x' }
[plugins.b]
command = ['sh']
restart = 'never'
backoff = { max = '2s' }
[plugins.c]
command = ['sh']
[plugins.d]
command = ['sh']
";
    let new = "
[plugins.a]
command = ['sh', '-c', 'exit']
env = { A = 'word-2', C = 'x' }
stop_timeout = '3s'
[plugins.b]
command = ['sh']
after = ['c']
health = { interval = '1s' }
backoff = { max = '3s' }
[plugins.c]
command = ['sh']
[plugins.e]
command = ['sh']
";
    assert_eq!(
        shown(old, new),
        "plugin d: removed\n\
         plugin a: replaced (command, env.A, env.B, env.C, stop_timeout)\n\
         plugin b: adjusted (after, restart, backoff, health)\n\
         plugin e: added\n\
         unchanged: 1 plugin, 0 components\n"
    );
    assert!(!shown(old, new).contains("word"));
}

#[test]
fn metadata_takes_an_initialisation_and_a_hold_does_not() {
    let old = "
[components.a]
type = 'state.sqlite'
metadata = { connectionString = 'word-1' }
[components.b]
type = 'state.sqlite'
[components.c]
type = 'state.sqlite'
[components.d]
type = 'state.sqlite'
";
    let new = "
[components.a]
type = 'state.sqlite'
metadata = { connectionString = 'word-2' }
hold = '1s'
[components.b]
type = 'state.sqlite'
hold = '1s'
replay = 'all'
[components.c]
type = 'state.in-memory'
[components.d]
type = 'state.sqlite'
version = 'v1'
[components.e]
type = 'state.sqlite'
";
    assert_eq!(
        shown(old, new),
        "component a: initialised again (metadata.connectionString, hold)\n\
         component b: adjusted (hold, replay)\n\
         component c: made anew (type)\n\
         component d: initialised again (version)\n\
         component e: added\n\
         unchanged: 0 plugins, 0 components\n"
    );
}

#[test]
fn what_cannot_change_while_replug_runs_is_named() {
    let new = "[runtime]\ngrpc = false\nhttp = false\nrun_dir = '/run/x'\nforget_after = '1s'\n";
    assert_eq!(
        shown("", new),
        "runtime.grpc: changed, takes effect at the next start of replug\n\
         runtime.http: changed, takes effect at the next start of replug\n\
         runtime.run_dir: changed, takes effect at the next start of replug\n\
         runtime.control: changed, takes effect at the next start of replug\n\
         runtime.forget_after: changed, takes effect at the next start of replug\n\
         unchanged: 0 plugins, 0 components\n"
    );
}

#[test]
fn a_plugin_that_waits_for_another_one_and_a_new_order_are_no_new_process() {
    let a = "[plugins.a]\ncommand = ['sh']\n";
    let b = "[plugins.b]\ncommand = ['sh']\n";
    let change = Change::between(&plan(&[a, b].concat()), &plan(&[b, a].concat()));
    assert!(!change.is_empty());
    assert_eq!(change.plugin_order().unwrap(), ["b", "a"]);
    assert_eq!(change.to_string(), "unchanged: 2 plugins, 0 components\n");
}

/// A plan of some plugins and components, in some order, each in one of its forms.
fn plans() -> impl Strategy<Value = Plan> {
    let forms = |names: &'static [&'static str]| {
        (
            Just(names.to_vec()).prop_shuffle(),
            prop::collection::vec((0..4_usize, any::<bool>()), names.len()),
        )
    };
    (forms(&["a", "b", "c", "d", "e"]), forms(&["r", "s", "t"]), 0..2_usize).prop_map(
        |((plugins, plugin_forms), (components, component_forms), runtime)| {
            let mut text = ["", "[runtime]\nmax_message = '1M'\n"][runtime].to_owned();
            for (name, (form, there)) in plugins.iter().zip(plugin_forms) {
                let more = [
                    "command = ['sh']",
                    "command = ['sh', '-x']",
                    "command = ['sh']\nenv = { A = '1' }\nstop_timeout = '1s'",
                    "builtin = 'state.sqlite'\nrestart = 'never'",
                ][form];
                if there {
                    let _ = writeln!(text, "[plugins.{name}]\n{more}");
                }
            }
            for (name, (form, there)) in components.iter().zip(component_forms) {
                let more = [
                    "type = 'state.sqlite'",
                    "type = 'state.in-memory'",
                    "type = 'state.sqlite'\nmetadata = { a = 'b' }",
                    "type = 'state.sqlite'\nhold = '1s'",
                ][form];
                if there {
                    let _ = writeln!(text, "[components.{name}]\n{more}");
                }
            }
            plan(&text)
        },
    )
}

proptest! {
    #[test]
    fn the_change_makes_the_new_plan_of_the_old_one(old in plans(), new in plans()) {
        let change = Change::between(&old, &new);
        let mut wanted = new.clone();
        wanted.runtime = old.runtime.clone();
        prop_assert_eq!(change.applied_to(&old), wanted);
        prop_assert_eq!(change.is_empty(), old == new);
        prop_assert_eq!(change.at_next_start.is_empty(), old.runtime == new.runtime);
    }

    #[test]
    fn a_plan_does_not_differ_from_itself(plan in plans()) {
        let change = Change::between(&plan, &plan);
        prop_assert!(change.is_empty());
        prop_assert_eq!(change.unchanged_plugins, plan.plugins.len());
    }
}
