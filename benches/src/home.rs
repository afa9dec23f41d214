//! A folder of its own for every run of replug: plugins.toml, sockets, data. Gone with its value.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::Failure;

/// Where one replug runs. Its path is short, as socket paths have to be.
#[derive(Debug)]
pub(crate) struct Home {
    folder: TempDir,
}

impl Home {
    /// An empty home.
    pub(crate) fn new() -> Result<Self, Failure> {
        let folder = tempfile::Builder::new().prefix("rpb").tempdir()?;
        std::fs::create_dir(folder.path().join("sockets"))?;
        Ok(Self { folder })
    }

    /// Writes plugins.toml: a `[runtime]` with free ports, then `plan`.
    pub(crate) fn write_plan(&self, plan: &str) -> Result<(), Failure> {
        let runtime = format!(
            "[runtime]\n\
             app_id = \"bench\"\n\
             grpc = \"127.0.0.1:0\"\n\
             http = \"127.0.0.1:0\"\n\
             run_dir = {:?}\n\
             socket_dir = {:?}\n\n",
            text(&self.path("run")),
            text(&self.path("sockets")),
        );
        Ok(std::fs::write(self.plan(), runtime + plan)?)
    }

    pub(crate) fn plan(&self) -> PathBuf {
        self.path("plugins.toml")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// How many private socket folders there are at this moment, of all replugs that ran here.
    pub(crate) fn private_folders(&self) -> usize {
        entries(&self.path("run/plugins")).iter().map(|run| entries(run).len()).sum()
    }
}

/// A path as text for plugins.toml.
pub(crate) fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// What is in a folder; nothing, where there is none.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    entries.flatten().map(|entry| entry.path()).collect()
}
