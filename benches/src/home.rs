//! Folders of its own for every run of replug: for plugins.toml and data, and for sockets. Gone with
//! their value.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::Failure;

/// Sockets are in memory here, as they are below `/run` on a machine in use: a disk that is busy
/// makes even an empty folder's removal wait.
const IN_MEMORY: &str = "/dev/shm";

/// Where one replug runs. Its paths are short, as socket paths have to be.
#[derive(Debug)]
pub(crate) struct Home {
    folder: TempDir,
    sockets: TempDir,
}

impl Home {
    /// An empty home.
    pub(crate) fn new() -> Result<Self, Failure> {
        let folder = tempfile::Builder::new().prefix("rpb").tempdir()?;
        let sockets = socket_folder()?;
        std::fs::create_dir(sockets.path().join("found"))?;
        Ok(Self { folder, sockets })
    }

    /// Writes plugins.toml: a `[runtime]` with free ports and [`Self::grpc_socket`], then `plan`.
    pub(crate) fn write_plan(&self, plan: &str) -> Result<(), Failure> {
        let runtime = format!(
            "[runtime]\n\
             app_id = \"bench\"\n\
             grpc = [\"127.0.0.1:0\", {:?}]\n\
             http = \"127.0.0.1:0\"\n\
             run_dir = {:?}\n\
             socket_dir = {:?}\n\n",
            format!("unix:{}", text(&self.grpc_socket())),
            text(&self.run_dir()),
            text(&self.sockets.path().join("found")),
        );
        Ok(std::fs::write(self.plan(), runtime + plan)?)
    }

    /// Where applications call over gRPC without TCP.
    pub(crate) fn grpc_socket(&self) -> PathBuf {
        self.sockets.path().join("grpc")
    }

    pub(crate) fn plan(&self) -> PathBuf {
        self.path("plugins.toml")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run_dir(&self) -> PathBuf {
        self.sockets.path().join("run")
    }

    /// How many private socket folders there are at this moment, of all replugs that ran here.
    pub(crate) fn private_folders(&self) -> usize {
        entries(&self.run_dir().join("plugins")).iter().map(|run| entries(run).len()).sum()
    }
}

/// A folder for sockets, gone with its value.
pub(crate) fn socket_folder() -> Result<TempDir, Failure> {
    let mut folder = tempfile::Builder::new();
    folder.prefix("rpb");
    let in_memory = Path::new(IN_MEMORY);
    Ok(if in_memory.is_dir() { folder.tempdir_in(in_memory)? } else { folder.tempdir()? })
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
