//! Files that cannot be read, and what depends on the file system.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use replug_supervisor::plan::{Checked, Launch, Plan, Severity};

use crate::surroundings;

/// The only diagnostic, of a file without a plan.
fn only(checked: &Checked) -> String {
    assert_eq!(checked.plan, None);
    let [one] = checked.diagnostics.as_slice() else { panic!("{:?}", checked.diagnostics) };
    one.to_string()
}

fn folder_with(name: &str, content: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(name);
    fs::write(&file, content).unwrap();
    (folder, file)
}

#[test]
fn a_file_that_is_not_there_is_said_so() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("plugins.toml");
    let said = only(&Plan::load(&file, &surroundings()));
    let file = file.display();
    assert_eq!(
        said,
        format!(
            "{file}: error: there is no such file; write it, or name another one with --config FILE"
        )
    );
    let said = only(&Plan::load(Path::new("/dev/null/plugins.toml"), &surroundings()));
    assert!(said.contains("a part of its path is no folder"), "{said}");
}

#[test]
fn a_folder_in_place_of_the_file_is_said_so() {
    let folder = tempfile::tempdir().unwrap();
    let said = only(&Plan::load(folder.path(), &surroundings()));
    assert!(said.ends_with("this is a folder; name the file in it with --config FILE"), "{said}");
}

#[test]
fn a_file_that_may_not_be_read_is_said_so() {
    let (_folder, file) = folder_with("plugins.toml", b"");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o000)).unwrap();
    // Root may read every file: then there is nothing to see here.
    if fs::File::open(&file).is_err() {
        let said = only(&Plan::load(&file, &surroundings()));
        assert!(said.contains("may not be read: permission denied"), "{said}");
    }
}

#[test]
fn a_file_without_end_is_not_read_to_its_end() {
    let said = only(&Plan::load(Path::new("/dev/zero"), &surroundings()));
    assert!(said.contains("the file is longer than 1048576 bytes"), "{said}");
}

#[test]
fn a_file_that_is_not_utf_8_is_told_where() {
    let (_folder, file) = folder_with("plugins.toml", b"# fine\na = \"\xc3\xa4\xff\"\n");
    let checked = Plan::load(&file, &surroundings());
    let said = only(&checked);
    let file = file.display();
    let wanted = format!(
        "{file}:2:7: error: the file is not UTF-8: byte 0xff at offset 14 is no text; \
         save it as UTF-8"
    );
    assert_eq!(said, wanted);
    let mut shown = Vec::new();
    checked.render(false, &mut shown).unwrap();
    assert!(String::from_utf8(shown).unwrap().contains("2 | a = \"ä\u{fffd}\""));
}

#[test]
fn a_program_is_looked_up_from_the_folder_of_the_plugin() {
    let text = b"[plugins.a]\ncommand = [\"./bin/run\"]\n[plugins.b]\ncommand = [\"./run\"]\ncwd = \"bin\"\n";
    let (folder, file) = folder_with("plugins.toml", text);
    let bin = folder.path().join("bin");
    fs::create_dir(&bin).unwrap();
    fs::write(bin.join("run"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(bin.join("run"), fs::Permissions::from_mode(0o755)).unwrap();

    let checked = Plan::load(&file, &surroundings());
    assert_eq!(checked.diagnostics, []);
    let plan = checked.plan.unwrap();
    for plugin in &plan.plugins {
        let program = bin.join("run");
        assert_eq!(plugin.launch, Launch::Command { program, args: Vec::new() });
    }
    assert_eq!(plan.plugins[0].cwd, folder.path());
    assert_eq!(plan.plugins[1].cwd, bin);
}

#[test]
fn a_program_that_cannot_be_started_yet_is_a_warning_and_leaves_a_plan() {
    let text = br#"
[plugins.absent]
command = ["./absent"]
[plugins.plain]
command = ["./plain"]
[plugins.folder]
command = ["./folder"]
[plugins.unknown]
command = ["no-such-program"]
[plugins.nowhere]
command = ["sh"]
cwd = "nowhere"
[plugins.elsewhere]
command = ["tool"]
env = { PATH = "tools" }
"#;
    let (folder, file) = folder_with("plugins.toml", text);
    fs::write(folder.path().join("plain"), "").unwrap();
    fs::create_dir(folder.path().join("folder")).unwrap();
    fs::create_dir(folder.path().join("tools")).unwrap();
    fs::write(folder.path().join("tools/tool"), "").unwrap();
    let tool = fs::Permissions::from_mode(0o755);
    fs::set_permissions(folder.path().join("tools/tool"), tool).unwrap();

    let checked = Plan::load(&file, &surroundings());
    assert!(checked.diagnostics.iter().all(|it| it.severity == Severity::Warning));
    assert_eq!((checked.errors(), checked.warnings()), (0, 5));
    assert_eq!(checked.plan.as_ref().unwrap().plugins.len(), 6);
    let place = folder.path().display();
    let said: Vec<_> = checked.diagnostics.iter().map(|it| (it.title(), it.at.clone())).collect();
    let said: Vec<_> = said
        .iter()
        .map(|(title, at)| (at.as_ref().unwrap().line, title.replace(&place.to_string(), "PLAN")))
        .collect();
    let wanted = [
        (3, "`plugins.absent.command[0]` names PLAN/absent, which does not exist"),
        (5, "`plugins.plain.command[0]` names PLAN/plain, which may not be executed"),
        (7, "`plugins.folder.command[0]` names PLAN/folder, which is no file"),
        (
            9,
            "`plugins.unknown.command[0]` names `no-such-program`, which is in no folder of PATH \
             (/usr/bin:/bin)",
        ),
        (12, "`plugins.nowhere.cwd` names PLAN/nowhere, which does not exist"),
    ];
    assert_eq!(said, wanted.map(|(line, title)| (line, title.to_owned())));
}

#[test]
fn the_plan_of_this_repository_has_no_errors() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins.toml");
    let checked = Plan::load(&file, &surroundings());
    let said: Vec<_> = checked.diagnostics.iter().map(ToString::to_string).collect();
    assert_eq!(checked.errors(), 0, "{said:#?}");
}
