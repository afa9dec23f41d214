//! The environments that Python programs need.
//!
//! There are two environments, because Dapr's SDK and a plugin's stubs both bring a package `dapr`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::ROOT;
use super::fixture::{modified, once, run, target};

/// The interpreter of an environment under target/, made on its first use and again when the list
/// of what it has in it changes.
fn environment(name: &str, inputs: &[&str], make: impl FnOnce(&Path)) -> PathBuf {
    let folder = target().join("python").join(name);
    let stamp = folder.with_extension("stamp");
    let inputs: Vec<_> = inputs.iter().map(|input| Path::new(ROOT).join(input)).collect();
    let current = || inputs.iter().all(|input| modified(input) <= modified(&stamp));
    once(&stamp, current, || make(&folder));
    folder.join("bin/python")
}

/// The interpreter for the sample plugins, made by the samples' own set-up.
pub(super) fn python_samples() -> &'static Path {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| {
        let inputs = [
            "samples/python/requirements.txt",
            "samples/python/setup.sh",
            "proto/dapr/proto/components/v1/bindings.proto",
            "proto/dapr/proto/components/v1/pubsub.proto",
            "proto/dapr/proto/components/v1/secretstore.proto",
            "proto/dapr/proto/components/v1/state.proto",
        ];
        environment("plugin", &inputs, |folder| {
            run(Command::new(Path::new(ROOT).join("samples/python/setup.sh")).arg(folder));
        })
    })
}

/// The interpreter with Dapr's public SDK.
pub(super) fn python_for_applications() -> &'static Path {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| {
        let requirements = "tests/clients/python/requirements.txt";
        environment("application", &[requirements], |folder| {
            run(Command::new("python3").args(["-m", "venv"]).arg(folder));
            run(Command::new(folder.join("bin/python"))
                .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
                .arg("--requirement")
                .arg(Path::new(ROOT).join(requirements)));
        })
    })
}
