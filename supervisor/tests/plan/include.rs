//! Plans of several files.

use std::fs;
use std::path::{Path, PathBuf};

use replug_supervisor::plan::{Checked, Plan};

use crate::surroundings;

/// A folder with files in it, of which `plugins.toml` is the plan.
struct Files(tempfile::TempDir);

impl Files {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            let file = folder.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, content).unwrap();
        }
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn load(&self) -> Checked {
        Plan::load(&self.path("plugins.toml"), &surroundings())
    }

    fn plan(&self) -> Plan {
        let checked = self.load();
        assert_eq!(checked.diagnostics, []);
        checked.plan.unwrap()
    }

    /// What is said, without the folder.
    fn said(&self) -> Vec<String> {
        let folder = format!("{}/", self.0.path().display());
        let checked = self.load();
        checked.diagnostics.iter().map(|it| it.to_string().replace(&folder, "")).collect()
    }

    fn shown(&self) -> String {
        let mut out = Vec::new();
        self.load().render(false, &mut out).unwrap();
        String::from_utf8(out).unwrap().replace(&format!("{}/", self.0.path().display()), "")
    }
}

fn names(plan: &Plan) -> Vec<&str> {
    plan.plugins.iter().map(|plugin| plugin.name.as_str()).collect()
}

#[test]
fn included_plugins_and_components_come_after_those_of_the_plan_in_the_order_of_the_alphabet() {
    let files = Files::new(&[
        (
            "plugins.toml",
            "include = ['plugins.d/*.toml', 'more.toml']\n[defaults]\nstop_timeout = '1s'\n[plugins.z]\ncommand = ['sh']\n",
        ),
        ("plugins.d/b.toml", "[plugins.b]\ncommand = ['sh']\nafter = ['z']\n"),
        (
            "plugins.d/a.toml",
            "[plugins.a]\ncommand = ['./a.sh']\n[components.c]\ntype = 'state.sqlite'\n",
        ),
        ("plugins.d/read.me", "no TOML"),
        ("more.toml", "[plugins.more]\ncommand = ['sh']\n"),
        ("a.sh", ""),
    ]);
    fs::set_permissions(files.path("a.sh"), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .unwrap();
    let plan = files.plan();
    assert_eq!(names(&plan), ["z", "a", "b", "more"]);
    assert_eq!(plan.components[0].name, "c");
    // What the plan says for all is for them as well, and paths are as in the plan's own file.
    assert!(plan.plugins.iter().all(|plugin| plugin.stop_timeout.as_secs() == 1));
    assert!(plan.plugins.iter().all(|plugin| plugin.cwd == files.0.path()));
}

#[test]
fn a_pattern_may_match_nothing_and_two_may_match_the_same() {
    let files = Files::new(&[
        ("plugins.toml", "include = ['none.d/*.toml', '*.toml', 'a.toml']\n"),
        ("a.toml", "[plugins.a]\ncommand = ['sh']\n"),
    ]);
    assert_eq!(names(&files.plan()), ["a"]);
}

#[test]
fn what_is_wrong_in_an_included_file_is_said_with_its_name_and_line() {
    let files = Files::new(&[
        ("plugins.toml", "include = ['a.toml', 'b.toml']\n[plugins.x]\ncommand = 1\n"),
        ("a.toml", "[plugins.a]\ncommand = ['sh']\nrestart = 'alway'\n[runtime]\nhttp = false\n"),
        ("b.toml", "include = ['c.toml']\n[plugins.b]\ncommand = [\n"),
    ]);
    assert_eq!(
        files.said(),
        [
            "plugins.toml:3:11: error: `plugins.x.command` is an integer; write an array of strings, such as [\"--pool\", \"8\"]",
            "a.toml:3:11: error: `plugins.a.restart` is \"alway\"; did you mean \"always\"?",
            "a.toml:4:2: error: `runtime` stands in an included file; move it to plugins.toml, which includes this one",
            "b.toml:1:1: error: `include` stands in an included file; move it to plugins.toml, which includes this one",
            "b.toml:3:12: error: unclosed array, expected `]`; close it where it ends",
        ]
    );
    let shown = files.shown();
    assert!(shown.contains(" --> a.toml:3:11\n  |\n3 | restart = 'alway'\n"), "{shown}");
    assert!(shown.ends_with("\n5 errors\n"), "{shown}");
}

#[test]
fn what_is_declared_in_two_files_is_said_with_both_places() {
    let files = Files::new(&[
        ("plugins.toml", "include = ['plugins.d/*']\n[plugins.a]\ncommand = ['sh']\n"),
        ("plugins.d/1", "\n[plugins.a]\ncommand = ['sh']\n[components.c]\ntype = 'state.sqlite'\n"),
        ("plugins.d/2", "[components.c]\ntype = 'state.sqlite'\n"),
    ]);
    assert_eq!(
        files.said(),
        [
            "plugins.d/1:2:10: error: `plugins.a` is declared twice; rename one of the two; every name in [plugins] is given once",
            "plugins.d/2:1:13: error: `components.c` is declared twice; rename one of the two; every name in [components] is given once",
        ]
    );
    let shown = files.shown();
    assert!(shown.contains("plugins.d/1:2:10") && shown.contains("plugins.toml:2"), "{shown}");
    assert!(shown.contains("first declared here"), "{shown}");
}

#[test]
fn a_file_that_is_named_and_cannot_be_read_is_an_error() {
    let files = Files::new(&[
        ("plugins.toml", "include = ['a.toml', 'plugins.toml', '', 7, '[', 'latin']\n"),
        ("latin", "x"),
    ]);
    fs::write(files.path("latin"), b"[plugins.\xe9]\n").unwrap();
    assert_eq!(
        files.said(),
        [
            "plugins.toml:1:12: error: `include[0]` names a.toml, which does not exist; write it, or use a pattern such as \"plugins.d/*.toml\", which may match none",
            "plugins.toml:1:22: error: `include[1]` is the file that it stands in; take it out",
            "plugins.toml:1:38: error: `include[2]` is empty; write a file or a pattern, such as \"plugins.d/*.toml\"",
            "plugins.toml:1:42: error: `include[3]` is an integer; write a file or a pattern, in quotes",
            "plugins.toml:1:45: error: `include[4]` is \"[\", which is no pattern: invalid range pattern; `*` stands for any text, `?` for one character, `[ab]` for one of some",
            "latin:1:10: error: the file is not UTF-8: byte 0xe9 at offset 9 is no text; save it as UTF-8",
        ]
    );
}

#[test]
fn a_circle_through_several_files_is_written_out() {
    let files = Files::new(&[
        ("plugins.toml", "include = ['a.toml']\n[plugins.x]\ncommand = ['sh']\nrequires = ['y']\n"),
        ("a.toml", "[plugins.y]\ncommand = ['sh']\nafter = ['x']\n"),
    ]);
    assert_eq!(
        files.said(),
        [
            "plugins.toml:4:13: error: `plugins.x.requires[0]` makes a circle in which nothing can start first: x → y → x; take one of them out"
        ]
    );
}

#[test]
fn a_plan_in_the_current_folder_finds_its_files_there() {
    // Nothing but the name: there is no folder to put before the pattern.
    let text = "include = ['no-such-folder/*.toml']\n".to_owned();
    let checked = Plan::check(text, Path::new("plugins.toml"), &surroundings());
    assert_eq!(checked.diagnostics, []);
}
