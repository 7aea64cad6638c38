//! A Redis Cluster.

use crate::process::{is_alive, wait_until};
use crate::redis::{Redis, RedisBuilder};

/// Three masters and a replica of the first, which takes over when that has been silent for two seconds.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: Vec<Redis>,
}

const MASTERS: usize = 3;
const SLOTS: usize = 16_384;

impl RedisCluster {
    /// Starts one; that takes about three seconds.
    ///
    /// # Panics
    ///
    /// If it is not whole within 20 seconds.
    pub fn start() -> Self {
        Self::start_with(Redis::builder())
    }

    /// Starts one whose nodes are configured so. TLS and passwords are for single servers only.
    ///
    /// # Panics
    ///
    /// If it is not whole within 20 seconds.
    pub fn start_with(node: RedisBuilder) -> Self {
        let cluster = Self { nodes: (0..=MASTERS).map(|_| node.clone().cluster().start()).collect() };
        let ok = |node: &Redis, args: &[&str]| assert_eq!(node.cli(args), "OK", "{args:?}");
        for (index, node) in cluster.nodes.iter().enumerate() {
            // Else two could have the same epoch, and would quarrel about it.
            ok(node, &["CLUSTER", "SET-CONFIG-EPOCH", &(index + 1).to_string()]);
            if index < MASTERS {
                let (first, last) = (SLOTS * index / MASTERS, SLOTS * (index + 1) / MASTERS - 1);
                ok(node, &["CLUSTER", "ADDSLOTSRANGE", &first.to_string(), &last.to_string()]);
            }
            if index > 0 {
                let [port, bus] = [node.port(), node.bus_port()].map(|port| port.to_string());
                ok(cluster.first_master(), &["CLUSTER", "MEET", "127.0.0.1", &port, &bus]);
            }
        }
        let all_know = |node: &Redis| node.cli(&["CLUSTER", "INFO"]).contains("cluster_known_nodes:4");
        wait_until("all nodes know each other", || cluster.nodes.iter().all(all_know));
        let id = cluster.first_master().cli(&["CLUSTER", "MYID"]);
        wait_until("the replica replicates", || cluster.replica().cli(&["CLUSTER", "REPLICATE", &id]) == "OK");
        cluster.wait_until_whole();
        cluster
    }

    /// All nodes: the masters, then the replica; by what they were at the start.
    pub fn nodes(&self) -> &[Redis] {
        &self.nodes
    }

    /// The node that owned the first third of the slots at the start.
    pub fn first_master(&self) -> &Redis {
        &self.nodes[0]
    }

    /// The node that replicated the first master at the start.
    pub fn replica(&self) -> &Redis {
        &self.nodes[MASTERS]
    }

    /// The nodes' URLs, in the order of [`nodes`](Self::nodes).
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(Redis::url).collect()
    }

    /// A key that begins with `prefix` and belongs to the first master.
    pub fn key_of_first_master(&self, prefix: &str) -> String {
        let slot = |key: &str| self.nodes[1].cli(&["CLUSTER", "KEYSLOT", key]).parse::<usize>().expect("a slot");
        let mut keys = (0..).map(|n| format!("{prefix}{n}"));
        keys.find(|key| slot(key) < SLOTS / MASTERS).expect("one in three")
    }

    /// Kills the first master with `SIGKILL`. What it had not sent to its replica yet is lost.
    pub fn kill_first_master(&self) {
        self.first_master().kill();
    }

    /// Waits until the replica is master, and all nodes that run know it and find the cluster whole.
    ///
    /// # Panics
    ///
    /// After 20 seconds.
    pub fn wait_for_failover(&self) {
        let address = format!(" 127.0.0.1:{}@", self.replica().port());
        let owns = |line: &str| line.contains(&address) && line.contains(" 0-");
        let knows = |node: &Redis| node.cli(&["CLUSTER", "NODES"]).lines().any(owns);
        wait_until("the replica has taken over", || {
            self.nodes.iter().filter(|node| is_alive(node.pid())).all(|node| knows(node) && says_ok(node))
        });
    }

    /// Waits until all nodes run and find the cluster whole, and whoever is a replica is in step.
    ///
    /// # Panics
    ///
    /// After 20 seconds.
    pub fn wait_until_whole(&self) {
        // Both ends must say so: a master sends nothing until it has heard from a replica that has loaded its data.
        let say = |what| self.nodes.iter().filter(|node| node.cli(&["INFO", "replication"]).contains(what)).count();
        wait_until("the cluster is whole", || {
            self.nodes.iter().all(says_ok) && say("master_link_status:up") == 1 && say("state=online") == 1
        });
    }
}

fn says_ok(node: &Redis) -> bool {
    node.cli(&["CLUSTER", "INFO"]).contains("cluster_state:ok")
}
