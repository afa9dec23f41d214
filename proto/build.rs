//! Compiles the `.proto` files with protox: a fresh machine needs cargo alone, no protoc.

use std::path::{Path, PathBuf};

use prost::Message as _;

/// The folders that hold contracts, one per family.
const FAMILIES: [&str; 3] = ["dapr", "replug", "spec"];

/// The folders whose contracts plugins serve.
const PLUGIN_FOLDERS: [&str; 2] = ["dapr/proto/components", "spec/proto/pluggable"];

/// replug's own control API.
const CONTROL: &str = "replug/control/v1/control.proto";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut files = Vec::new();
    for family in FAMILIES {
        println!("cargo::rerun-if-changed={family}");
        collect_protos(Path::new(family), &mut files)?;
    }
    files.sort();

    let descriptors = protox::compile(&files, ["."])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;

    let mut plugin_files = Vec::new();
    for folder in PLUGIN_FOLDERS {
        collect_protos(Path::new(folder), &mut plugin_files)?;
    }
    let plugin_descriptors = protox::compile(&plugin_files, ["."])?;
    std::fs::write(out.join("plugin_descriptors.bin"), plugin_descriptors.encode_to_vec())?;

    let control_descriptors = protox::compile([CONTROL], ["."])?;
    std::fs::write(out.join("control_descriptors.bin"), control_descriptors.encode_to_vec())?;

    tonic_prost_build::configure()
        .bytes(".")
        .generate_default_stubs(true)
        .emit_rerun_if_changed(false)
        .include_file("packages.rs")
        .compile_fds(descriptors)?;
    Ok(())
}

fn collect_protos(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect_protos(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "proto") {
            files.push(path);
        }
    }
    Ok(())
}
