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
    let _alone = locked(&stamp.with_extension("lock"));
    if !(stamp.exists() && current()) {
        make();
        std::fs::write(stamp, "").unwrap();
    }
}

/// Waits until nobody else has this lock, which is had until the value goes.
pub(super) fn locked(lock: &Path) -> Flock<File> {
    let lock = File::create(lock).unwrap();
    Flock::lock(lock, FlockArg::LockExclusive).map_err(|(_, error)| error).unwrap()
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

/// The application on Dapr's SDK for Rust. Cargo has built it with the tests, as the plugin above.
pub(super) fn rust_application() -> &'static str {
    static BUILT: OnceLock<String> = OnceLock::new();
    BUILT.get_or_init(|| built("examples/rust-application", "tests/clients/rust"))
}

/// The sample binding in Rust, of the same package.
pub(crate) fn mailbox() -> &'static str {
    static BUILT: OnceLock<String> = OnceLock::new();
    BUILT.get_or_init(|| built("mailbox", "samples/rust/src"))
}

/// The sample pubsub in Rust, of the same package.
pub(crate) fn post() -> &'static str {
    static BUILT: OnceLock<String> = OnceLock::new();
    BUILT.get_or_init(|| built("post", "samples/rust/src"))
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
            .args(["--example=misbehave", "--example=rust-application"])
            .args(["--bin=notebook", "--bin=mailbox", "--bin=post"]));
    }
    text(&binary)
}

/// The Go plugin, on Dapr's SDK as it comes.
pub(crate) fn go_memory() -> &'static str {
    static BUILT: OnceLock<String> = OnceLock::new();
    BUILT.get_or_init(|| go("go-memory", "tests/plugins/go-state"))
}

/// The Go plugin that is a binding.
pub(crate) fn go_echo() -> &'static str {
    static BUILT: OnceLock<String> = OnceLock::new();
    BUILT.get_or_init(|| go("go-echo", "tests/plugins/go-binding"))
}

/// The Go plugin whose messages are files.
pub(crate) fn go_folders() -> &'static str {
    static BUILT: OnceLock<String> = OnceLock::new();
    BUILT.get_or_init(|| go("go-folders", "tests/plugins/go-pubsub"))
}

/// The application on Dapr's SDK for Go.
pub(super) fn go_application() -> &'static str {
    static BUILT: OnceLock<String> = OnceLock::new();
    BUILT.get_or_init(|| go("application", "tests/clients/go"))
}

/// A Go program, built unless it is younger than its sources.
fn go(name: &str, sources: &str) -> String {
    let folder = target().join("go");
    let binary = folder.join(name);
    let sources = Path::new(ROOT).join(sources);
    let stamp = binary.with_extension("stamp");
    let current = || modified(&stamp) >= newest_in(&sources);
    once(&stamp, current, || {
        run(Command::new("go")
            .current_dir(&sources)
            .args(["build", "-buildvcs=false", "-mod=readonly", "-o"])
            .arg(&binary)
            .arg("."));
    });
    text(&binary)
}

/// A path of the tests, as text for plugins.toml.
pub(crate) fn text(path: &Path) -> String {
    path.to_str().expect("the repository and the temporary folder have names in UTF-8").to_owned()
}

/// When the file was last written; never, where it is not there.
pub(crate) fn modified(file: &Path) -> SystemTime {
    file.metadata().and_then(|metadata| metadata.modified()).unwrap_or(SystemTime::UNIX_EPOCH)
}

/// When the youngest file in a folder, or in a folder in it, was last written.
pub(super) fn newest_in(folder: &Path) -> SystemTime {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let newest = entries.map(|entry| {
        let path = entry.path();
        if path.is_dir() { newest_in(&path) } else { modified(&path) }
    });
    newest.max().unwrap_or(SystemTime::UNIX_EPOCH)
}
