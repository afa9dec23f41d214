//! The arrows between the crates go down only: `replug → supervisor → runtime → component → proto`,
//! and `sdk → component → proto`. A crate that begins to know one above it fails here.

use std::collections::BTreeSet;
use std::path::Path;

/// Each crate's folder, and the crates of the workspace that it may know.
const ARROWS: [(&str, &[&str]); 5] = [
    ("proto", &[]),
    ("component", &["replug-proto"]),
    ("runtime", &["replug-component", "replug-proto"]),
    ("supervisor", &["replug-runtime", "replug-component", "replug-proto"]),
    ("sdk/rust", &["replug-component", "replug-proto"]),
];

#[test]
fn no_crate_knows_one_above_it() {
    for (folder, allowed) in ARROWS {
        let known = workspace_dependencies(folder);
        let beyond: Vec<_> =
            known.iter().filter(|name| !allowed.contains(&name.as_str())).collect();
        assert!(beyond.is_empty(), "{folder} may know {allowed:?}, and knows {beyond:?} as well");
    }
}

/// The crates of this workspace that a crate depends on. For its tests it may use what it likes.
fn workspace_dependencies(folder: &str) -> BTreeSet<String> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join("Cargo.toml");
    let manifest = std::fs::read_to_string(manifest).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    ["dependencies", "build-dependencies"]
        .into_iter()
        .filter_map(|table| manifest.get(table)?.as_table())
        .flat_map(|table| table.keys().cloned())
        .filter(|name| name.starts_with("replug"))
        .collect()
}

#[test]
fn unsafe_code_is_in_one_file_of_the_libraries() {
    let mut found = Vec::new();
    for (folder, _) in ARROWS {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join("src");
        find_unsafe(&sources, &mut found);
    }
    find_unsafe(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    assert_eq!(found, ["supervisor/src/process/pre_exec.rs"]);
}

fn find_unsafe(folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            find_unsafe(&path, found);
        } else if std::fs::read_to_string(&path).unwrap().contains("allow(unsafe_code") {
            let path = path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap();
            found.push(path.display().to_string());
        }
    }
}
