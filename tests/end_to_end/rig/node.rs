//! What Node.js programs need, from their lock files.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::ROOT;
use super::fixture::{modified, once, run, target};

/// The application on Dapr's SDK for Node.js, which calls over `protocol`.
pub(super) fn node_application(protocol: &str) -> tokio::process::Command {
    static MODULES: OnceLock<PathBuf> = OnceLock::new();
    let modules = MODULES.get_or_init(|| modules("application", "tests/clients/node"));
    let mut command = tokio::process::Command::new("node");
    command
        .arg(Path::new(ROOT).join("tests/clients/node/application.js"))
        .env("NODE_PATH", modules)
        .env("DAPR_PROTOCOL", protocol);
    command
}

/// The modules that the lock file of a folder names, installed under target/.
fn modules(name: &str, sources: &str) -> PathBuf {
    let all = target().join("node");
    let folder = all.join(name);
    let stamp = folder.with_extension("stamp");
    let lists = ["package.json", "package-lock.json"];
    let sources = Path::new(ROOT).join(sources);
    let current = || lists.iter().all(|list| modified(&sources.join(list)) <= modified(&stamp));
    once(&stamp, current, || {
        std::fs::create_dir_all(&folder).unwrap();
        for list in lists {
            std::fs::copy(sources.join(list), folder.join(list)).unwrap();
        }
        run(Command::new("npm")
            .current_dir(&folder)
            .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--cache"])
            .arg(all.join("cache")));
    });
    folder.join("node_modules")
}
