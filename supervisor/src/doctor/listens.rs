//! Where replug is to listen: whether the addresses are free, or taken by whom.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::holder::of_port;
use super::{Finding, Machine};
use crate::plan::{Listen, Plan};

/// What a process of replug's is called.
const REPLUG: &str = "replug";

pub(super) fn examine(machine: &Machine, plan: &Plan) -> Vec<Finding> {
    let grpc = plan.runtime.grpc.iter().map(|listen| ("grpc", listen));
    let http = plan.runtime.http.iter().map(|listen| ("http", listen));
    let mut findings: Vec<_> = grpc
        .chain(http)
        .map(|(topic, listen)| match listen {
            Listen::Tcp(address) => port(machine, topic, *address),
            Listen::Unix(path) => socket(topic, path),
        })
        .collect();
    findings.push(socket("control", &plan.runtime.control));
    findings
}

fn port(machine: &Machine, topic: &str, address: SocketAddr) -> Finding {
    let Err(error) = TcpListener::bind(address) else {
        return Finding::ok(topic, format!("{address} is free"));
    };
    let refused = |found: String| Finding::fail(topic, found).costs("replug does not start");
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            let holder = of_port(machine, address.port());
            let by = holder.as_ref().map_or_else(
                || "somebody whom this user cannot see".to_owned(),
                |holder| format!("{} (pid {})", holder.name, holder.pid),
            );
            if holder.is_some_and(|holder| holder.name == REPLUG) {
                return Finding::ok(topic, format!("{address} is held by {by}, which runs"));
            }
            refused(format!("{address} is taken by {by}"))
                .remedy(format!("end that one, or choose another `{topic}` in [runtime]"))
        }
        io::ErrorKind::PermissionDenied => refused(format!("{address} is not for this user"))
            .remedy(
                "a port from 1024 on, or AmbientCapabilities=CAP_NET_BIND_SERVICE, or sysctl \
                 net.ipv4.ip_unprivileged_port_start",
            ),
        io::ErrorKind::AddrNotAvailable => {
            refused(format!("{address} is no address of this machine"))
                .remedy(format!("127.0.0.1 or 0.0.0.0 as `{topic}` in [runtime]"))
        }
        _ => refused(format!("{address}: {error}")),
    }
}

fn socket(topic: &str, path: &Path) -> Finding {
    let shown = path.display();
    match UnixStream::connect(path) {
        Ok(_) => Finding::ok(topic, format!("{shown}: somebody serves there now")),
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound => Finding::ok(topic, format!("{shown} is free")),
            io::ErrorKind::ConnectionRefused => {
                Finding::ok(topic, format!("{shown} was left behind, and is replaced at the start"))
            }
            _ => Finding::warn(topic, format!("{shown}: {error}"))
                .costs("this user cannot ask a replug that serves there")
                .remedy("the user of that replug, or root"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Grade;

    #[test]
    fn a_port_that_is_taken_is_said_to_be_and_by_whom() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let taken = port(&Machine::this(), "http", address);
        assert_eq!(taken.grade, Grade::Fail);
        assert!(taken.found.contains(&std::process::id().to_string()), "{}", taken.found);
        drop(listener);
        assert_eq!(port(&Machine::this(), "http", address).grade, Grade::Ok);
    }

    #[test]
    fn an_address_of_another_machine_is_no_place_to_listen() {
        let elsewhere = port(&Machine::this(), "grpc", "192.0.2.7:50001".parse().unwrap());
        assert_eq!(elsewhere.grade, Grade::Fail);
        assert!(elsewhere.found.contains("no address of this machine"), "{}", elsewhere.found);
    }

    #[test]
    fn a_socket_that_nobody_serves_is_no_obstacle() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.sock");
        assert_eq!(socket("control", &path).grade, Grade::Ok);
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(socket("control", &path).found.contains("left behind"));
    }
}
