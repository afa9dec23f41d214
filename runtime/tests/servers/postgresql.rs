//! A PostgreSQL server.

use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;
use tempfile::TempDir;

use super::{Certificate, Process, bound_to_this_thread, folder, free_port, require};

const PROGRAM: &str = "postgres";
pub const PASSWORD: &str = "s3cret";

/// A PostgreSQL server. It listens on a Unix socket and on a port, and wants a password on both.
pub struct Postgres {
    process: Process,
    pub port: u16,
    folder: TempDir,
}

impl Postgres {
    /// None: there is no PostgreSQL here, and the test is to return. With a certificate it speaks TLS.
    pub fn start(certificate: Option<&Certificate>) -> Option<Self> {
        if !require(program(PROGRAM)) {
            return None;
        }
        let folder = folder();
        let password = folder.path().join("password");
        std::fs::write(&password, PASSWORD).unwrap();
        let data = folder.path().join("data");
        let mut initdb = bound_to_this_thread(user(), &program("initdb"));
        initdb.args([
            "--no-sync",
            "--auth",
            "scram-sha-256",
            "--encoding",
            "UTF8",
            "--locale",
            "C",
        ]);
        initdb.args(["--username", "shop", "--pwfile"]).arg(&password).arg("--pgdata").arg(&data);
        let output = initdb.current_dir(folder.path()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let mut settings = "max_connections = 40\nshared_buffers = 16MB\n".to_owned();
        if let Some(certificate) = certificate {
            // Copies of its own: it refuses a key that others can read.
            write_private(&data, "server.pem", &certificate.certificate());
            write_private(&data, "server.key", &certificate.key());
            let ssl = "ssl = on\nssl_cert_file = 'server.pem'\nssl_key_file = 'server.key'\n";
            settings.push_str(ssl);
        }
        std::fs::write(data.join("postgresql.auto.conf"), settings).unwrap();
        let port = free_port();
        let process = run(folder.path(), port);
        Some(Self { process, port, folder })
    }

    /// The settings of a connection string, over TCP.
    pub fn address(&self) -> String {
        format!("host=127.0.0.1 port={} user=shop password={PASSWORD} dbname=postgres", self.port)
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What `psql` prints for a statement, as bare rows.
    pub fn sql(&self, statement: &str) -> String {
        let output = Command::new("psql")
            .args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-c", statement])
            .arg(self.address())
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// As `kill -9`, of the server and all its processes.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again, over the same data.
    pub fn start_again(&mut self) {
        self.process = run(self.folder.path(), self.port);
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Stopped in order where it runs, it leaves no shared memory behind.
        self.process.signal(Signal::INT);
        self.process.wait();
    }
}

fn run(folder: &Path, port: u16) -> Process {
    let mut command = bound_to_this_thread(user(), &program(PROGRAM));
    command.current_dir(folder).arg("-D").arg(folder.join("data")).arg("-k").arg(folder);
    command.arg("-p").arg(port.to_string()).args(["-h", "127.0.0.1"]);
    Process::start(command, "database system is ready to accept connections")
}

/// A copy among the data that nobody but the server can read.
fn write_private(data: &Path, name: &str, from: &str) {
    use std::io::Write as _;
    use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
    let mut options = std::fs::OpenOptions::new();
    let path = data.join(name);
    let mut file = options.write(true).create_new(true).mode(0o600).open(&path).unwrap();
    file.write_all(&std::fs::read(from).unwrap()).unwrap();
    let owner = std::fs::metadata(data).unwrap();
    std::os::unix::fs::chown(&path, Some(owner.uid()), Some(owner.gid())).unwrap();
}

/// PostgreSQL refuses to be run by root.
fn user() -> Option<&'static str> {
    rustix::process::geteuid().is_root().then_some("postgres")
}

/// The program of this name: Debian has them in a folder for each version, which is on nobody's path.
fn program(name: &str) -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    folders.sort();
    folders.last().map_or_else(|| name.into(), |folder| folder.join(name))
}
