//! A folder of its own for every test: plugins.toml, replug's run folder, the socket folder, data.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::fixture::text;

/// A test's own folder. Its path is short, as socket paths have to be; it goes with its value.
pub(crate) struct Home {
    folder: TempDir,
}

impl Home {
    /// A home without a plugins.toml.
    pub(crate) fn empty() -> Self {
        let folder = tempfile::Builder::new().prefix("rp").tempdir().unwrap();
        std::fs::create_dir(folder.path().join("sockets")).unwrap();
        Self { folder }
    }

    /// A home whose plugins.toml has a `[runtime]` of its own, with free ports, and then `plan`.
    pub(crate) fn new(plan: &str) -> Self {
        let home = Self::empty();
        home.write_plan(plan);
        home
    }

    /// Writes plugins.toml anew: the test's `[runtime]`, then `plan`.
    pub(crate) fn write_plan(&self, plan: &str) {
        let runtime = format!(
            "[runtime]\n\
             app_id = \"app\"\n\
             grpc = \"127.0.0.1:0\"\n\
             http = \"127.0.0.1:0\"\n\
             run_dir = {:?}\n\
             socket_dir = {:?}\n\n",
            text(&self.run_dir()),
            text(&self.sockets()),
        );
        self.write_raw_plan((runtime + plan).as_bytes());
    }

    /// Writes plugins.toml anew, and nothing else into it.
    pub(crate) fn write_raw_plan(&self, content: &[u8]) {
        std::fs::write(self.plan(), content).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn plan(&self) -> PathBuf {
        self.path("plugins.toml")
    }

    /// What belongs to the run of replug.
    pub(crate) fn run_dir(&self) -> PathBuf {
        self.path("run")
    }

    /// Where found plugins put their sockets.
    pub(crate) fn sockets(&self) -> PathBuf {
        self.path("sockets")
    }

    /// The names of the private socket folders that exist at this moment, sorted. Each run of
    /// replug has a folder for its own, which counts by itself where it is empty.
    pub(crate) fn private_folders(&self) -> Vec<String> {
        let runs = entries(&self.run_dir().join("plugins"));
        let folders = runs.into_iter().flat_map(|run| {
            let of_run = entries(&run);
            if of_run.is_empty() { vec![run] } else { of_run }
        });
        let mut names: Vec<_> =
            folders.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect();
        names.sort();
        names
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    match std::fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| entry.unwrap().path()).collect(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => panic!("{}: {error}", folder.display()),
    }
}
