//! Connections over HTTP/1.1 that clients keep: none is closed under a request while replug begins
//! anew, since answers say beforehand that theirs closes.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::rig::{BINARY, Home, Replug};

const CALLERS: usize = 4;

/// Calls that each of them has made before, between and after.
const SOME: usize = 50;

const CALL: &[u8] = b"GET /v1.0/state/kv/none HTTP/1.1\r\nHost: x\r\n\r\n";

/// Calls one after the other, each over the connection of the one before unless that has been told
/// to close, and counts them. Fails with the first that is not answered.
async fn call_on(address: SocketAddr, calls: watch::Sender<usize>) {
    let mut kept = None;
    while !calls.is_closed() {
        let mut stream = match kept.take() {
            Some(stream) => stream,
            None => TcpStream::connect(address).await.unwrap(),
        };
        stream.write_all(CALL).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let byte = stream.read_u8().await;
            head.push(
                byte.unwrap_or_else(|error| panic!("{error} after {} calls", *calls.borrow())),
            );
        }
        let head = String::from_utf8(head).unwrap().to_lowercase();
        assert!(head.starts_with("http/1.1 204"), "{head}");
        if !head.contains("\r\nconnection: close\r\n") {
            kept = Some(stream);
        }
        calls.send_modify(|count| *count += 1);
    }
}

/// Waits until each has made some more calls.
async fn some_more(counts: &mut [watch::Receiver<usize>]) {
    for count in counts {
        let wanted = *count.borrow() + SOME;
        count.wait_for(|count| *count >= wanted).await.expect("its caller has failed");
    }
}

#[tokio::test]
async fn no_call_over_a_kept_connection_fails_while_replug_is_upgraded_and_reconfigured() {
    let home = Home::new("[components.kv]\ntype = \"state.in-memory\"\n");
    let denies = |what: usize| {
        let text = format!(
            "apiVersion: dapr.io/v1alpha1\nkind: Configuration\nmetadata: {{name: c}}\nspec: {{api: \
             {{denied: [{{name: nothing{what}, version: v1, protocol: http}}]}}}}\n"
        );
        std::fs::write(home.path("c.yaml"), text).unwrap();
    };
    denies(0);
    let plan = std::fs::read_to_string(home.plan()).unwrap();
    let configured = plan.replacen("[runtime]", "[runtime]\nconfiguration = [\"c.yaml\"]", 1);
    assert_ne!(configured, plan);
    home.write_raw_plan(configured.as_bytes());
    let mut replug = Replug::start(&home).await;
    let address = replug.until_usable("kv").await.address("http");

    let mut callers = JoinSet::new();
    let mut counts = Vec::new();
    for _ in 0..CALLERS {
        let (calls, count) = watch::channel(0);
        counts.push(count);
        callers.spawn(call_on(address, calls));
    }
    // One that has called and is silent holds up nothing for long.
    let mut silent = TcpStream::connect(address).await.unwrap();
    silent.write_all(CALL).await.unwrap();
    some_more(&mut counts).await;
    denies(1);
    let reloaded = replug.command(&["reload"]).await;
    assert_eq!(reloaded.code, Some(0), "{}", reloaded.stderr);
    replug.line("the Configuration has changed").await;
    for _ in 0..2 {
        some_more(&mut counts).await;
        let upgraded = replug.command(&["upgrade", "--binary", BINARY]).await;
        assert_eq!(upgraded.code, Some(0), "{}", upgraded.stderr);
    }
    some_more(&mut counts).await;
    let mut answer = String::new();
    silent.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
    drop(counts);
    while let Some(ended) = callers.join_next().await {
        ended.unwrap();
    }
    replug.stop(&home).await;
}
