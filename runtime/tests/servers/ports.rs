//! Ports for programs that have to be told one.
//!
//! The kernel's own range is of no use: whoever connects anywhere is given a port of it, also one that
//! was free a moment ago. These are below it. Each process of tests has blocks of its own, for as long
//! as it runs: a block is claimed by a Unix socket of its name, which two cannot have.

use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::sync::{Mutex, PoisonError};

/// The first port. The kernel's range begins at 32768.
const FIRST: u16 = 10_000;

/// How many ports are a block, and how many blocks there are.
const BLOCK: u16 = 50;
const BLOCKS: u16 = 440;

/// The blocks of this process, and what is left of the latest.
struct Mine {
    left: std::ops::Range<u16>,
    claims: Vec<UnixListener>,
}

static MINE: Mutex<Mine> = Mutex::new(Mine { left: 0..0, claims: Vec::new() });

/// A port that nobody listens on, and that nobody else is given while this process runs.
pub fn free_port() -> u16 {
    let mut mine = MINE.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        // Something else may listen there: a service of this machine.
        let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
        if let Some(port) = mine.left.find(free) {
            return port;
        }
        let (block, claim) = claim();
        let first = FIRST + block * BLOCK;
        mine.left = first..first + BLOCK;
        mine.claims.push(claim);
    }
}

/// A block that nobody has.
fn claim() -> (u16, UnixListener) {
    let claimed = (0..BLOCKS).find_map(|block| {
        let name = SocketAddr::from_abstract_name(format!("replug-tests-ports-{block}")).unwrap();
        Some((block, UnixListener::bind_addr(&name).ok()?))
    });
    claimed.expect("a block of ports is left")
}
