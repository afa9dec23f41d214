//! The Debian package: made, installed into a root of its own, removed and purged by dpkg itself.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const REPOSITORY: &str = env!("CARGO_MANIFEST_DIR");
const BINARY: &str = env!("CARGO_BIN_EXE_replug");

/// Where dpkg's own tools and those of scripts are, which a user's PATH may lack.
const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// An empty system to install into.
struct System(tempfile::TempDir);

impl System {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        for folder in ["info", "updates", "triggers"] {
            fs::create_dir_all(root.path().join("var/lib/dpkg").join(folder)).unwrap();
        }
        fs::create_dir_all(root.path().join("etc")).unwrap();
        fs::write(root.path().join("var/lib/dpkg/status"), "").unwrap();
        Self(root)
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Runs dpkg on the system, which has to succeed. The system has nothing that packages depend
    /// on, and scripts run outside of it, told where it is.
    fn dpkg(&self, arguments: &[&str]) {
        let mut dpkg = Command::new("dpkg");
        dpkg.env("PATH", SYSTEM_PATH).env("DEBIAN_FRONTEND", "noninteractive");
        dpkg.arg(format!("--root={}", self.0.path().display()));
        dpkg.args(["--force-depends", "--force-script-chrootless", "--log=/dev/null"]);
        succeeds(dpkg.args(arguments));
    }

    /// Every file whose name or folder has to do with replug, or that does itself.
    fn traces(&self) -> Vec<String> {
        let mut traces = Vec::new();
        find(self.0.path(), &mut |path| {
            let below = path.strip_prefix(self.0.path()).unwrap().to_str().unwrap();
            let in_file = fs::read_to_string(path).is_ok_and(|text| text.contains("replug"));
            let of_dpkg = below.starts_with("var/lib/dpkg/");
            // What the tools that remove a user and a group keep of before.
            let backup = below.starts_with("etc/") && below.ends_with('-');
            if !of_dpkg && !backup && (below.contains("replug") || in_file) {
                traces.push(below.to_owned());
            }
        });
        traces.sort();
        traces
    }
}

#[test]
fn the_package_installs_runs_and_goes_without_a_trace() {
    if !can_be_packaged() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let package = package(folder.path());
    let system = System::new();
    system.dpkg(&["--install", package.to_str().unwrap()]);

    // What is there, and that it is what the repository has.
    for (installed, source) in [
        ("usr/lib/systemd/system/replug.service", "deploy/replug.service"),
        ("usr/lib/systemd/system/replug.socket", "deploy/replug.socket"),
        ("usr/lib/sysusers.d/replug.conf", "deploy/replug.sysusers"),
        ("usr/lib/tmpfiles.d/replug.conf", "deploy/replug.tmpfiles"),
        ("etc/replug/plugins.toml", "deploy/plugins.toml"),
    ] {
        let source = fs::read_to_string(Path::new(REPOSITORY).join(source)).unwrap();
        assert_eq!(system.read(installed), source, "{installed}");
    }
    for there in [
        "usr/share/man/man1/replug.1.gz",
        "usr/share/man/man1/replug-doctor.1.gz",
        "usr/share/bash-completion/completions/replug",
        "usr/share/doc/replug/copyright",
    ] {
        assert!(system.path(there).exists(), "{there}");
    }
    let binary = system.path("usr/bin/replug");
    assert_eq!(binary.metadata().unwrap().permissions().mode() & 0o7777, 0o755);
    let plan = system.path("etc/replug/plugins.toml");
    succeeds(Command::new(&binary).args(["check", "--config"]).arg(&plan));

    // The user, and the service.
    let users = system.read("etc/passwd");
    let user = users.lines().find(|line| line.starts_with("replug:")).expect("a user");
    assert!(user.contains(":/var/lib/replug:") && user.ends_with("nologin"), "{user}");
    let enabled = system.path("etc/systemd/system/multi-user.target.wants/replug.service");
    assert!(enabled.symlink_metadata().is_ok(), "the service is not enabled");

    // A plan that somebody wrote outlives the package, until it is purged.
    fs::write(&plan, "# changed\n").unwrap();
    system.dpkg(&["--remove", "replug"]);
    assert!(!binary.exists() && system.read("etc/replug/plugins.toml") == "# changed\n");
    fs::create_dir_all(system.path("var/lib/replug")).unwrap();
    fs::write(system.path("var/lib/replug/settings.db"), "").unwrap();
    system.dpkg(&["--purge", "replug"]);
    assert_eq!(system.traces(), Vec::<String>::new());
}

/// Makes the package of this build, without what debuggers read.
fn package(folder: &Path) -> PathBuf {
    let stripped = folder.join("replug");
    succeeds(Command::new("strip").arg("-o").arg(&stripped).arg(BINARY));
    let package = folder.join("replug.deb");
    let mut make = Command::new(Path::new(REPOSITORY).join("deploy/package.sh"));
    make.env("PACKAGE_REPLUG", &stripped);
    succeeds(make.args(["dev", "--fast", "--output"]).arg(&package));
    package
}

/// Whether a package can be made and installed here. Where a tool is missing the test is skipped,
/// but in CI it fails; files of root's can be made by root alone.
fn can_be_packaged() -> bool {
    let test = "the_package_installs_runs_and_goes_without_a_trace";
    let in_ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
    let tools = [("cargo-deb", "--version"), ("dpkg", "--version"), ("strip", "--version")];
    for (tool, argument) in tools.into_iter().chain([("systemd-sysusers", "--version")]) {
        if !Command::new(tool).arg(argument).output().is_ok_and(|it| it.status.success()) {
            assert!(!in_ci, "CI has to have {tool}");
            eprintln!("SKIPPED {test}: needs {tool}");
            return false;
        }
    }
    if !nix::unistd::geteuid().is_root() {
        eprintln!("SKIPPED {test}: dpkg installs as root only");
        return false;
    }
    true
}

fn succeeds(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?} ended with {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

fn find(folder: &Path, each: &mut impl FnMut(&Path)) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        each(&path);
        if path.is_dir() && !path.is_symlink() {
            find(&path, each);
        }
    }
}
