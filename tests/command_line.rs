//! What the command line makes of its own definition, and of the service's unit.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const BINARY: &str = env!("CARGO_BIN_EXE_replug");

fn replug(arguments: &[&str]) -> Output {
    let mut command = Command::new(BINARY);
    command.env_remove("REPLUG_CONFIG").args(arguments).output().unwrap()
}

/// What a command that has to succeed says.
fn said(arguments: &[&str]) -> String {
    let output = replug(arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {}\n{errors}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

/// Every command of replug, as its help tells them.
fn commands() -> Vec<String> {
    let help = said(&["--help"]);
    let listed = help.split_once("\nCommands:\n").unwrap().1.split("\n\n").next().unwrap();
    let lines = listed.lines().filter(|line| !line.starts_with("   "));
    let names: Vec<_> =
        lines.map(|line| line.split_whitespace().next().unwrap().to_owned()).collect();
    assert!(names.iter().any(|name| name == "run") && names.len() > 6, "{names:?}");
    names
}

/// What may stand in place of the last of these words, as a shell's script is told.
fn completed(words: &[&str]) -> Vec<String> {
    let mut command = Command::new(BINARY);
    command.env("REPLUG_COMPLETE", "fish").args(["--", "replug"]).args(words);
    let output = command.output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{words:?}: {output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| line.split('\t').next().unwrap().to_owned()).collect()
}

#[test]
fn a_shell_is_told_every_command_and_option() {
    let all = completed(&[""]);
    for command in commands() {
        assert!(all.contains(&command), "{command}: {all:?}");
        // daprd's flags are read in its own way, and `help` has none.
        if !["daprd", "help"].contains(&command.as_str()) {
            assert!(completed(&[&command, "--"]).contains(&"--help".to_owned()), "{command}");
        }
    }
    assert!(completed(&["install", "--s"]).contains(&"--systemd".to_owned()));
    assert_eq!(completed(&["wait", "x", "--for", "r"]), ["ready"]);
    // Where no replug runs there are no names of plugins, and nothing else is said.
    let nowhere = tempfile::tempdir().unwrap();
    let control = nowhere.path().join("control.sock");
    assert_eq!(completed(&["stop", "--control", control.to_str().unwrap(), "x"]), [""; 0]);
}

#[test]
fn the_scripts_of_all_shells_ask_this_program() {
    for shell in ["bash", "zsh", "fish"] {
        let script = said(&["completions", shell]);
        assert!(script.contains("REPLUG_COMPLETE"), "{shell}: {script}");
    }
}

#[test]
fn bash_completes_a_command() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("replug");
    fs::write(&script, said(&["completions", "bash"])).unwrap();
    let complete = "source \"$1\"; COMP_WORDS=(replug compl); COMP_CWORD=1; \
                    _clap_complete_replug replug compl replug; echo \"${COMPREPLY[@]}\"";
    let programs = format!(
        "{}:{}",
        Path::new(BINARY).parent().unwrap().display(),
        std::env::var("PATH").unwrap_or_default()
    );
    let mut bash = Command::new("bash");
    bash.env("PATH", programs).args(["-c", complete, "bash"]).arg(&script);
    let output = bash.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "completions\n", "{errors}");
}

#[test]
fn there_is_a_manual_page_of_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("share/man/man1");
    said(&["man", "--dir", pages.to_str().unwrap()]);
    let main = fs::read_to_string(pages.join("replug.1")).unwrap();
    assert_eq!(main, said(&["man"]));
    for command in commands().iter().filter(|command| *command != "help") {
        assert!(main.contains(&format!("replug\\-{command}(1)")), "{command} is not in\n{main}");
        let page = fs::read_to_string(pages.join(format!("replug-{command}.1"))).unwrap();
        assert!(page.contains(".SH SYNOPSIS") && page.contains(".SH DESCRIPTION"), "{page}");
    }
}

#[test]
fn the_unit_is_one_that_systemd_takes() {
    if !has_systemd_analyze() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let unit = folder.path().join("replug.service");
    fs::write(&unit, said(&["install", "--systemd", "--print"])).unwrap();
    let mut units = vec![unit];
    for socket in ["replug.socket", "replug-http.socket"] {
        let unit = folder.path().join(socket);
        fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(socket), &unit).unwrap();
        units.push(unit);
    }
    let verified =
        Command::new("systemd-analyze").args(["verify", "--man=no"]).args(&units).output().unwrap();
    let complaints = String::from_utf8_lossy(&verified.stderr);
    assert!(verified.status.success() && complaints.is_empty(), "{complaints}");
}

#[test]
fn the_service_is_installed_with_the_paths_of_this_machine() {
    let root = tempfile::tempdir().unwrap();
    let unit = root.path().join("etc/systemd/system/replug.service");
    let plan = root.path().join("etc/replug/plan.toml");
    let arguments = ["install", "--systemd", "--root"];
    let arguments = [&arguments[..], &[text(root.path()), "--config", text(&plan)]].concat();

    let told = said(&arguments);
    assert!(told.contains(text(&unit)) && told.contains("enable replug"), "{told}");
    let written = fs::read_to_string(&unit).unwrap();
    let exec = format!("ExecStart={BINARY} run --config /etc/replug/plan.toml");
    assert!(written.lines().any(|line| line == exec), "no {exec} in\n{written}");
    assert_eq!(files(unit.parent().unwrap()), ["replug.service"]);

    // A user that stays comes along where it is asked for.
    said(&[&arguments[..], &["--with-user"]].concat());
    for folder in ["sysusers.d", "tmpfiles.d"] {
        let written = root.path().join("etc").join(folder).join("replug.conf");
        let shipped = format!("deploy/replug.{}", folder.trim_end_matches(".d"));
        assert_eq!(
            fs::read_to_string(written).unwrap(),
            fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(shipped)).unwrap()
        );
    }

    // Once more is no harm; over somebody's changes, only when told so.
    said(&arguments);
    fs::write(&unit, "[Service]\n").unwrap();
    let refused = replug(&arguments);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--force"));
    assert_eq!(fs::read_to_string(&unit).unwrap(), "[Service]\n");
    said(&[&arguments[..], &["--force"]].concat());
    assert_eq!(fs::read_to_string(&unit).unwrap(), written);
}

#[test]
fn a_plan_that_the_service_cannot_see_is_told_of() {
    let root = tempfile::tempdir().unwrap();
    let arguments = ["install", "--systemd", "--root", text(root.path())];
    let output = replug(&[&arguments[..], &["--config", "/home/somebody/plan.toml"]].concat());
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.contains("/home/somebody/plan.toml"), "{errors}");
}

#[test]
fn the_doctor_fails_where_a_port_is_taken_and_names_whoever_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let plan = folder.path().join("plugins.toml");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let examine = |http: &str| {
        let run_dir = folder.path().join("run");
        let content = format!("[runtime]\nhttp = {http}\ngrpc = false\nrun_dir = {run_dir:?}\n");
        fs::write(&plan, content).unwrap();
        replug(&["doctor", "--config", text(&plan)])
    };

    let ill = examine(&format!("\"{}\"", taken.local_addr().unwrap()));
    let told = String::from_utf8_lossy(&ill.stdout);
    assert_eq!(ill.status.code(), Some(1), "{told}");
    let pid = std::process::id().to_string();
    let line = told
        .lines()
        .find(|line| line.trim_start().starts_with("fail") && line.contains("is taken by"));
    assert!(line.is_some_and(|line| line.contains(&pid)), "{told}");
    assert!(!told.contains('\u{1b}'), "colour, and this is no terminal: {told}");

    let well = examine("false");
    let told = String::from_utf8_lossy(&well.stdout);
    assert_eq!(well.status.code(), Some(0), "{told}");
    assert!(told.contains("0 to mend"), "{told}");
}

#[test]
fn the_doctor_tells_programs_what_it_found() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = folder.path().join("plugins.toml");
    let told = said(&["doctor", "--json", "--config", text(&nowhere)]);
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["healthy"], true);
    let findings = told["findings"].as_array().unwrap();
    for topic in ["kernel", "pidfd", "cgroup v2", "Landlock", "inotify", "open files", "service"] {
        let finding = findings.iter().find(|finding| finding["topic"] == topic);
        let finding = finding.unwrap_or_else(|| panic!("nothing on {topic}: {told:#}"));
        let missing = finding["grade"] != "ok";
        assert_eq!(finding["costs"].is_string() && finding["remedy"].is_string(), missing);
    }
}

/// Whether there is systemd's own judge of units. Where there is none the test is skipped, but in CI
/// it fails.
fn has_systemd_analyze() -> bool {
    let output = Command::new("systemd-analyze").arg("--version").output();
    let there = output.is_ok_and(|output| output.status.success());
    let in_ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(there || !in_ci, "CI has to have systemd-analyze");
    if !there {
        eprintln!("SKIPPED the_unit_is_one_that_systemd_takes: needs systemd-analyze");
    }
    there
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn components_in_yaml_are_the_same_in_the_form_of_the_plan() {
    let yaml = "
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: orders.v2}
scopes: [shop, checkout]
spec:
  type: state.sqlite
  version: v1
  metadata:
  - {name: connectionString, value: 'a\"b\\c ${d}'}
  - {name: busyTimeout, value: 5}
  - {name: table.name, value: '{appID}'}
";
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::create_dir(path("yaml")).unwrap();
    fs::write(path("yaml/a.yaml"), yaml).unwrap();
    let components = path("yaml").display().to_string();
    let converted = said(&["convert", "--app-id", "shop", &components]);
    let runtime = "[runtime]\napp_id = \"shop\"\n";
    fs::write(path("one.toml"), format!("{runtime}{converted}")).unwrap();
    fs::write(path("two.toml"), format!("{runtime}resources = [\"yaml\"]\n")).unwrap();
    let plan = |name: &str| {
        let surroundings = replug_supervisor::plan::Surroundings {
            builtins: vec!["state.sqlite".parse().unwrap()],
            ..Default::default()
        };
        let checked = replug_supervisor::plan::Plan::load(&path(name), &surroundings);
        assert_eq!(checked.diagnostics, [], "of\n{converted}");
        checked.plan.unwrap().components
    };
    let (one, two) = (plan("one.toml"), plan("two.toml"));
    assert_eq!(one, two, "of\n{converted}");
    assert_eq!(one.len(), 1);
}

#[test]
fn encryption_keys_are_converted_and_checked_where_a_secret_store_keeps_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::create_dir(path("yaml")).unwrap();
    let component = |name: &str, of: &str, more: &str| {
        format!(
            "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {{name: {name}}}\n\
             spec: {{type: {of}, version: v1, metadata: [{more}]}}\n"
        )
    };
    let vault = component("vault", "secretstores.local.env", "");
    let key = "{name: primaryEncryptionKey, secretKeyRef: {name: NEW, key: new}}";
    let old = "{name: secondaryEncryptionKey, secretKeyRef: {name: OLD}}";
    let orders = component("orders", "state.in-memory", &format!("{key}, {old}"));
    let stored = "auth: {secretStore: vault}\n";
    fs::write(path("yaml/a.yaml"), format!("{vault}---\n{orders}{stored}")).unwrap();
    let yaml = path("yaml").display().to_string();
    let converted = said(&["convert", "--app-id", "shop", &yaml]);
    for line in [
        "primaryEncryptionKey = { secret = \"vault/NEW\", key = \"new\" }\n",
        "secondaryEncryptionKey = { secret = \"vault/OLD\" }\n",
    ] {
        assert!(converted.contains(line), "{converted}");
    }
    fs::write(path("one.toml"), &converted).unwrap();
    fs::write(path("two.toml"), "[runtime]\nresources = [\"yaml\"]\n").unwrap();
    for plan in ["one.toml", "two.toml"] {
        said(&["check", "--config", &path(plan).display().to_string()]);
    }

    // Nobody says which store keeps it: Dapr would store in the clear.
    fs::write(path("yaml/a.yaml"), format!("{vault}---\n{orders}")).unwrap();
    let output = replug(&["check", "--config", &path("two.toml").display().to_string()]);
    assert_eq!(output.status.code(), Some(3));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("`primaryEncryptionKey` has to be kept by a secret store"), "{said}");
}

#[test]
fn yaml_that_is_broken_is_told_of_and_the_rest_is_converted() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.yaml");
    let good = "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {name: a}\nspec: {type: state.sqlite}\n";
    fs::write(&file, format!("{good}---\nspec: [\n")).unwrap();
    let output = replug(&["convert", &file.display().to_string()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("[components.a]"));
    assert!(String::from_utf8_lossy(&output.stderr).contains("a.yaml:"));
}

#[test]
fn a_replug_is_found_by_the_application_that_it_serves() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(BINARY);
    command.env("RUNTIME_DIRECTORY", folder.path()).env("REPLUG_CONTROL", "/other.sock");
    let output = command.args(["status", "--app-id", "a/b"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    let socket = folder.path().join("a_b/control.sock");
    assert!(said.contains(&format!("no replug answers on {}", text(&socket))), "{said}");
    assert_eq!(output.status.code(), Some(4));
}
