//! Sockets that a service manager opened before replug: a real parent process passes them on.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::process::Stdio;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::process::Command;

use crate::rig::{Application, Home, Replug, misbehave, text};

/// Becomes replug with the two sockets at the descriptors that systemd uses, which the test has
/// passed as standard input and output.
const PASS_ON: &str = "exec 3<&0 4>&1 </dev/null >/dev/null; export LISTEN_PID=$$; exec \"$@\"";

/// Starts replug with two sockets of these names.
fn start(
    home: &Home,
    names: &str,
    first: impl Into<OwnedFd>,
    second: impl Into<OwnedFd>,
) -> Replug {
    Replug::spawn_with(home, |command| {
        let replug = command.as_std();
        let mut parent = Command::new("/bin/sh");
        parent.args(["-c", PASS_ON, "sh"]).arg(replug.get_program()).args(replug.get_args());
        for (name, value) in replug.get_envs() {
            match value {
                Some(value) => parent.env(name, value),
                None => parent.env_remove(name),
            };
        }
        parent.env("LISTEN_FDS", "2").env("LISTEN_FDNAMES", names);
        parent.stdin(first.into()).stdout(second.into()).stderr(Stdio::piped());
        *command = parent;
        command
    })
}

fn plan() -> String {
    format!(
        "[plugins.store]\ncommand = [{:?}, \"well\"]\n[components.kv]\ntype = \"state.misbehave\"\n",
        misbehave()
    )
}

#[tokio::test]
async fn whoever_connects_before_replug_runs_is_served_by_it() {
    let home = Home::new(&plan());
    let grpc = TcpListener::bind("127.0.0.1:0").unwrap();
    let grpc_address = grpc.local_addr().unwrap();
    let path = home.path("http.sock");
    let http = UnixListener::bind(&path).unwrap();
    let mut early = UnixStream::connect(&path).await.unwrap();
    early
        .write_all(b"GET /v1.0/metadata HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut replug = start(&home, "grpc:http", grpc, http);
    let mut answer = String::new();
    early.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    let status = replug.until_ready("store").await;
    let http_address = format!("http unix:{}", path.display());
    assert_eq!(status.listeners, [format!("grpc {grpc_address}"), http_address]);
    Application::over_grpc(grpc_address, "kv").assert_works().await;
    replug.stop(&home).await;
    assert!(path.exists(), "the socket's file is the service manager's");
}

#[tokio::test]
async fn a_socket_without_a_name_of_replugs_is_known_by_its_address() {
    let home = Home::new("");
    let http = TcpListener::bind("127.0.0.1:0").unwrap();
    let http_address = http.local_addr().unwrap();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let other_address = other.local_addr().unwrap();
    let run_dir = text(&home.run_dir());
    home.write_raw_plan(
        format!(
            "[runtime]\nrun_dir = {run_dir:?}\ngrpc = \"127.0.0.1:0\"\nhttp = \"{http_address}\"\n"
        )
        .as_bytes(),
    );
    let mut replug = start(&home, "replug.socket:replug.socket", http, other);
    let status = replug.until("replug answers", |_| true).await;
    assert_eq!(status.address("http"), http_address);
    replug
        .line(&format!("the passed socket `replug.socket` on {other_address} serves nothing"))
        .await;
    let refused = TcpStream::connect(other_address).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    replug.stop(&home).await;
}

#[tokio::test]
async fn sockets_that_were_meant_for_another_process_are_left_alone() {
    let home = Home::new("");
    let mut replug = Replug::spawn_with(&home, |command| {
        command.env("LISTEN_FDS", "2").env("LISTEN_PID", "1").env("LISTEN_FDNAMES", "grpc:http")
    });
    replug.until("replug answers", |_| true).await;
    replug.stop(&home).await;
}
