//! A Redis cluster: three masters, and a replica of the first.

use std::time::{Duration, Instant};

use super::Redis;
use crate::servers::{PATIENCE, free_port};

/// How many slots there are.
const SLOTS: u32 = 16384;

/// How long a node may be silent before the others count it as gone, in milliseconds: for as long as
/// they get to know one another. It also says how often they talk.
const NODE_TIMEOUT: &str = "1000";

/// The same from then on. Longer than any test: on a busy machine nodes are silent for a while, and who
/// becomes a master is for the test to say.
const AFTERWARDS: &str = "600000";

/// A cluster. Killed when dropped.
pub struct Cluster {
    /// The three masters in the order of their slots, then the replica of the first.
    pub nodes: Vec<Redis>,
    ports: Vec<u16>,
}

impl Cluster {
    /// None: there is no Redis here, and the test is to return.
    pub fn start(arguments: &[&str]) -> Option<Self> {
        let mut cluster = Self { nodes: Vec::new(), ports: Vec::new() };
        for _ in 0..4 {
            let (port, bus) = (free_port(), free_port().to_string());
            let port_text = port.to_string();
            let of_cluster = [
                ["--port", &port_text, "--cluster-enabled", "yes"],
                ["--cluster-port", &bus, "--cluster-node-timeout", NODE_TIMEOUT],
                ["--cluster-replica-validity-factor", "0", "--repl-diskless-sync-delay", "0"],
            ];
            let node = Redis::start(&[&of_cluster.concat()[..], arguments].concat())?;
            cluster.nodes.push(node);
            cluster.ports.push(port);
        }
        cluster.join();
        Some(cluster)
    }

    fn join(&self) {
        for (index, node) in (0..).zip(&self.nodes[..3]) {
            let range =
                [SLOTS * index / 3, SLOTS * (index + 1) / 3 - 1].map(|slot| slot.to_string());
            node.cli(&["CLUSTER", "ADDSLOTSRANGE", &range[0], &range[1]]);
            node.cli(&["CLUSTER", "SET-CONFIG-EPOCH", &(index + 1).to_string()]);
        }
        for (node, port) in self.nodes.iter().zip(&self.ports).skip(1) {
            let bus = node.cli(&["CONFIG", "GET", "cluster-port"]);
            let (port, bus) = (port.to_string(), bus.lines().nth(1).unwrap());
            self.nodes[0].cli(&["CLUSTER", "MEET", "127.0.0.1", &port, bus]);
        }
        for node in &self.nodes {
            look(|| {
                let info = node.cli(&["CLUSTER", "INFO"]);
                info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:4")
            });
        }
        let first = self.nodes[0].cli(&["CLUSTER", "MYID"]);
        self.nodes[3].cli(&["CLUSTER", "REPLICATE", &first]);
        look(|| self.nodes[3].cli(&["INFO", "replication"]).contains("master_link_status:up"));
        for node in &self.nodes {
            look(|| {
                node.cli(&["CLUSTER", "NODES"]).matches(" slave ").count() == 1
                    || node.cli(&["CLUSTER", "NODES"]).contains("myself,slave")
            });
        }
        for node in &self.nodes {
            node.cli(&["CONFIG", "SET", "cluster-node-timeout", AFTERWARDS]);
        }
        assert!(self.nodes[0].cli(&["ROLE"]).starts_with("master"), "it is busy beyond measure");
    }

    /// The addresses of some nodes, as `redisHost` takes them.
    pub fn hosts(&self) -> String {
        let hosts = self.ports.iter().map(|port| format!("127.0.0.1:{port}"));
        hosts.collect::<Vec<_>>().join(",")
    }

    pub fn host(&self, index: usize) -> String {
        format!("127.0.0.1:{}", self.ports[index])
    }

    /// A key of the master at this place, and of its first slots.
    pub fn key_of(&self, master: usize, prefix: &str) -> String {
        let mut keys = (0..).map(|number| format!("{prefix}{number}"));
        keys.find(|key| self.slot(key) * 3 / SLOTS == u32::try_from(master).unwrap()).unwrap()
    }

    pub fn slot(&self, key: &str) -> u32 {
        self.nodes[1].cli(&["CLUSTER", "KEYSLOT", key]).parse().unwrap()
    }

    /// Begins to move a slot: keys go over one by one, and who asks for them is sent after them.
    pub fn begin_to_move(&self, slot: u32, from: usize, to: usize) {
        let [from_id, to_id] = [from, to].map(|node| self.nodes[node].cli(&["CLUSTER", "MYID"]));
        let slot = slot.to_string();
        self.nodes[to].cli(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &from_id]);
        self.nodes[from].cli(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &to_id]);
    }

    pub fn move_key(&self, key: &str, from: usize, to: usize) {
        let port = self.ports[to].to_string();
        let moved = ["MIGRATE", "127.0.0.1", &port, key, "0", "5000"];
        assert_eq!(self.nodes[from].cli(&moved), "OK");
    }

    /// All nodes learn that the slot has moved.
    pub fn end_the_move(&self, slot: u32, to: usize) {
        let id = self.nodes[to].cli(&["CLUSTER", "MYID"]);
        // The one that gets it first, or it would be nobody's for a moment.
        for node in [to, 0, 1, 2] {
            self.nodes[node].cli(&["CLUSTER", "SETSLOT", &slot.to_string(), "NODE", &id]);
        }
    }

    /// Kills the first master, as by `kill -9`.
    pub fn kill_the_first(&mut self) {
        self.nodes[0].kill();
    }

    /// Has the replica of the first take its place, and waits until all who are left know.
    pub fn promote(&self) {
        let replica = &self.nodes[3];
        replica.cli(&["CLUSTER", "FAILOVER", "TAKEOVER"]);
        let first_slot = format!("0\n{}\n127.0.0.1\n{}\n", SLOTS / 3 - 1, self.ports[3]);
        for node in &self.nodes[1..] {
            look(|| {
                let info = node.cli(&["CLUSTER", "INFO"]);
                info.contains("cluster_state:ok")
                    && node.cli(&["CLUSTER", "SLOTS"]).contains(&first_slot)
            });
        }
    }
}

/// Waits until it is so. Redis tells nobody of these things, so they are looked at.
pub fn look(is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "it does not become so");
        std::thread::sleep(Duration::from_millis(20));
    }
}
