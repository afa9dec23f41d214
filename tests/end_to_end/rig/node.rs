//! What Node.js programs need, from their lock files.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use super::ROOT;
use super::fixture::{modified, once, run, target, text};

/// What says which modules are needed.
const LISTS: [&str; 2] = ["package.json", "package-lock.json"];

/// The application on Dapr's SDK for Node.js, which calls over `protocol`.
pub(super) fn node_application(protocol: &str) -> tokio::process::Command {
    static MODULES: OnceLock<String> = OnceLock::new();
    let sources = "tests/clients/node";
    let modules = MODULES.get_or_init(|| {
        modules("application", sources, |folder| {
            for list in LISTS {
                std::fs::copy(Path::new(ROOT).join(sources).join(list), folder.join(list)).unwrap();
            }
            run(Command::new("npm").current_dir(folder).args([
                "ci",
                "--ignore-scripts",
                "--no-audit",
                "--no-fund",
                "--cache",
                "../cache",
            ]));
        })
    });
    let mut command = tokio::process::Command::new("node");
    command
        .arg(Path::new(ROOT).join("tests/clients/node/application.js"))
        .env("NODE_PATH", modules)
        .env("DAPR_PROTOCOL", protocol);
    command
}

/// The modules of the sample plugins, installed by the samples' own set-up.
pub(super) fn node_samples() -> &'static str {
    static MODULES: OnceLock<String> = OnceLock::new();
    MODULES.get_or_init(|| {
        modules("plugin", "samples/node", |folder| {
            run(Command::new(Path::new(ROOT).join("samples/node/setup.sh")).arg(folder));
        })
    })
}

/// A folder of modules under target/, made on its first use and again when the lists in `sources`
/// change.
fn modules(name: &str, sources: &str, make: impl FnOnce(&Path)) -> String {
    let folder = target().join("node").join(name);
    let stamp = folder.with_extension("stamp");
    let sources = Path::new(ROOT).join(sources);
    let current = || LISTS.iter().all(|list| modified(&sources.join(list)) <= modified(&stamp));
    once(&stamp, current, || {
        std::fs::create_dir_all(&folder).unwrap();
        make(&folder);
    });
    text(&folder.join("node_modules"))
}
