//! A master, a replica and a sentinel that puts the one in the other's place.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use idem_core::{Finish, Ownership, Store};
use idem_test_servers::{require, Redis};
use redis::sentinel::{SentinelClient, SentinelServerType};

use crate::support::{builder, claim, completed, eventually, granted, key, replayed};

/// Ends with the test, also when that is killed. Its file is in a server's directory.
struct Sentinel {
    process: Child,
    port: u16,
}

impl Sentinel {
    fn watch(master: &Redis) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = format!(
            "port {port}\nbind 127.0.0.1\nsentinel monitor orders 127.0.0.1 {} 1\nsentinel down-after-milliseconds \
             orders 500\nsentinel failover-timeout orders 2000\n",
            master.port()
        );
        let file = master.dir().join("sentinel.conf");
        std::fs::write(&file, config).unwrap();
        let mut command = Command::new(require("setpriv"));
        command.args(["--pdeathsig", "KILL"]).arg(require("redis-server")).arg(&file).arg("--sentinel");
        let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        Self { process, port }
    }

    fn client(&self) -> SentinelClient {
        let address = format!("redis://127.0.0.1:{}", self.port);
        SentinelClient::build(vec![address], "orders", None, SentinelServerType::Master).unwrap()
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_master_is_found_after_a_failover() {
    let master = Redis::start();
    let replica = Redis::builder().config(format!("replicaof 127.0.0.1 {}", master.port())).start();
    eventually("the replica is in step", || async { replica.cli(&["INFO", "replication"]).contains("link_status:up") })
        .await;
    let sentinel = Sentinel::watch(&master);
    let knows = |what: String| {
        let asked = master.dir().to_owned();
        let port = sentinel.port.to_string();
        move || {
            let output = Command::new(require("redis-cli"))
                .args(["-p", &port, "SENTINEL", "REPLICAS", "orders"])
                .current_dir(&asked)
                .output()
                .unwrap();
            let known = String::from_utf8_lossy(&output.stdout).contains(&what);
            async move { known }
        }
    };
    eventually("the sentinel knows the replica", knows(replica.port().to_string())).await;
    let store = builder().connect_sentinel(sentinel.client()).await.unwrap();
    let (done, running) = (key("done"), key("running"));
    let (first, second) = (claim(), claim());
    granted(&store, &done, &first).await;
    store.finish(&done, &Finish::new(first.owner, completed(b"done"))).await.unwrap();
    granted(&store, &running, &second).await;
    assert_eq!(master.cli(&["WAIT", "1", "5000"]), "1");
    eventually("the replica has it", || async { replica.cli(&["DBSIZE"]) == "2" }).await;
    master.kill();
    eventually("it goes on with the next", || async {
        let renew = tokio::time::timeout(Duration::from_secs(5), store.renew(&running, second.owner)).await;
        matches!(renew, Ok(Ok(Ownership::Held)))
    })
    .await;
    assert!(replica.cli(&["ROLE"]).starts_with("master"));
    assert_eq!(replayed(&store, &done).await, b"done");
}
