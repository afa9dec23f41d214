//! Plugins that are made for the tests: built on their first use.

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::SystemTime;

use nix::fcntl::{Flock, FlockArg};

use super::ROOT;

/// Where this build's files are: the folder above that of the test binary.
pub(crate) fn target() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    // target/debug/deps/end_to_end-0123456789abcdef
    test.ancestors().nth(2).unwrap().to_owned()
}

/// Does `make` unless what it makes is there, in one test process at a time. `stamp` is written
/// after it, so a making that was cut short is done again.
pub(crate) fn once(stamp: &Path, current: impl Fn() -> bool, make: impl FnOnce()) {
    std::fs::create_dir_all(stamp.parent().unwrap()).unwrap();
    let lock = File::create(stamp.with_extension("lock")).unwrap();
    let _lock = Flock::lock(lock, FlockArg::LockExclusive).map_err(|(_, error)| error).unwrap();
    if !(stamp.exists() && current()) {
        make();
        std::fs::write(stamp, "").unwrap();
    }
}

/// Runs a command of the set-up, which has to succeed.
pub(crate) fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?} ended with {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// The misbehaving plugin. Cargo has built it with the tests, but not where it was told to build
/// this test alone.
pub(crate) fn misbehave() -> &'static str {
    static BUILT: OnceLock<String> = OnceLock::new();
    BUILT.get_or_init(|| built("examples/misbehave", "tests/plugins/misbehave"))
}

/// The sample plugin in Rust. Cargo has built it with the tests of the whole workspace, but not
/// with those of this package.
pub(crate) fn notebook() -> &'static str {
    static BUILT: OnceLock<String> = OnceLock::new();
    BUILT.get_or_init(|| built("notebook", "samples/rust/src"))
}

/// A binary of this build. Cargo is asked for it unless it is younger than its sources.
fn built(binary: &str, sources: &str) -> String {
    let target = target();
    let binary = target.join(binary);
    if modified(&binary) < newest_in(&Path::new(ROOT).join(sources)) {
        // The folder of the profile `dev` is the only one that has another name.
        let profile = match target.file_name().and_then(OsStr::to_str).unwrap() {
            "debug" => "dev",
            profile => profile,
        };
        run(Command::new(env!("CARGO"))
            .current_dir(ROOT)
            .args(["build", "--profile", profile, "--target-dir"])
            .arg(target.parent().unwrap())
            // All at once, as for the tests: alone, each would have its dependencies built anew,
            // with other features.
            .args(["--package=replug", "--package=notebook"])
            .args(["--example=misbehave", "--bin=notebook"]));
    }
    text(&binary)
}

/// The Go plugin, on Dapr's SDK as it comes.
pub(crate) fn go_memory() -> &'static str {
    static BUILT: OnceLock<String> = OnceLock::new();
    BUILT.get_or_init(|| {
        let folder = target().join("go");
        let binary = folder.join("go-memory");
        let sources = Path::new(ROOT).join("tests/plugins/go-state");
        let stamp = folder.join("go-memory.stamp");
        let current = || modified(&stamp) >= newest_in(&sources);
        once(&stamp, current, || {
            run(Command::new("go")
                .current_dir(&sources)
                .args(["build", "-buildvcs=false", "-mod=readonly", "-o"])
                .arg(&binary)
                .arg("."));
        });
        text(&binary)
    })
}

/// A path of the tests, as text for plugins.toml.
pub(crate) fn text(path: &Path) -> String {
    path.to_str().expect("the repository and the temporary folder have names in UTF-8").to_owned()
}

/// When the file was last written; never, where it is not there.
pub(crate) fn modified(file: &Path) -> SystemTime {
    file.metadata().and_then(|metadata| metadata.modified()).unwrap_or(SystemTime::UNIX_EPOCH)
}

/// When the youngest file of a folder was last written.
fn newest_in(folder: &Path) -> SystemTime {
    let files = std::fs::read_dir(folder).unwrap();
    files.map(|file| modified(&file.unwrap().path())).max().unwrap()
}
