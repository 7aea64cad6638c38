//! Redis: a line of text and the result, which has a checksum of the key and itself. The line has none: what a changed bit makes of a
//! number of it that reads is believed. A completed record does not become any other by one.

use idem_redis::RedisStore;
use idem_test_servers::Redis;
use redis::aio::MultiplexedConnection;

use crate::support::{key, other_fingerprint, run, with_bit, Came, Count, Till};

struct Server {
    till: Till,
    raw: MultiplexedConnection,
    prefix: String,
}

impl Server {
    async fn new(name: &str) -> Self {
        let (url, prefix) = (Redis::shared().url(), format!("damaged-{name}:"));
        let store = RedisStore::builder().key_prefix(&*prefix).connect(&url).await.expect("a store");
        let client = redis::Client::open(url).expect("an address");
        let raw = client.get_multiplexed_async_connection().await.expect("a connection");
        Self { till: Till::new(std::sync::Arc::new(store)), raw, prefix }
    }

    fn name(&self, part: &str) -> Vec<u8> {
        [self.prefix.as_bytes(), key(part).as_bytes()].concat()
    }

    async fn get(&mut self, part: &str) -> Vec<u8> {
        redis::cmd("GET").arg(self.name(part)).query_async(&mut self.raw).await.expect("a value")
    }

    /// Its retention stays as it is.
    async fn set(&mut self, part: &str, bytes: &[u8]) {
        let set = redis::cmd("SET").arg(self.name(part)).arg(bytes).arg("KEEPTTL").to_owned();
        let () = set.query_async(&mut self.raw).await.expect("written");
    }
}

#[test]
fn a_flipped_bit_or_a_cut_is_refused_or_changes_nothing() {
    run(async {
        let mut server = Server::new("flips").await;
        server.till.charge("a").await;
        server.till.charge("bb").await;
        let whole = server.get("a").await;
        let line = whole.iter().position(|byte| *byte == b'\n').expect("a line");
        let (mut of_line, mut of_result) = (Count::default(), Count::default());
        for bit in 0..whole.len() * 8 {
            let bytes = with_bit(&whole, bit);
            server.set("a", &bytes).await;
            let came = server.till.call("a").await;
            let count = if bit / 8 <= line { &mut of_line } else { &mut of_result };
            count.add(came, || String::from_utf8_lossy(&bytes).into_owned());
            if came != Came::Ran {
                assert_eq!(server.get("a").await, bytes, "it is left as it is");
            }
            // What ran has lost its retention.
            server.set("a", &whole).await;
        }
        let mut of_cuts = Count::default();
        for cut in 0..whole.len() {
            server.set("a", &whole[..cut]).await;
            of_cuts.add(server.till.call("a").await, || cut.to_string());
        }
        of_line.print("Redis, line");
        of_result.print("Redis, result");
        of_cuts.print("Redis, cuts");
        assert_eq!(of_line.ran, Vec::<String>::new());
        assert_eq!((of_result.right, of_result.ran), (0, vec![]));
        assert_eq!((of_cuts.right, of_cuts.ran), (0, vec![]));
        assert_eq!(server.till.call("bb").await, Came::Right, "its neighbour is sound");
        server.set("a", &with_bit(&whole, (whole.len() - 2) * 8)).await;
        assert_eq!(server.till.call("a").await, Came::Refused);
        server.till.mend("a").await;
    });
}

#[test]
fn results_of_other_keys_and_other_versions_are_refused() {
    run(async {
        let mut server = Server::new("swaps").await;
        server.till.charge("a").await;
        server.till.charge("bb").await;
        let (a, b) = (server.get("a").await, server.get("bb").await);
        server.set("a", &b).await;
        server.set("bb", &a).await;
        for part in ["a", "bb"] {
            assert_eq!(server.till.call(part).await, Came::Refused);
        }
        assert_eq!(
            (server.get("a").await, server.get("bb").await),
            (b.clone(), a.clone()),
            "they are left as they are"
        );
        for part in ["a", "bb"] {
            server.till.mend(part).await;
        }
        let text = String::from_utf8_lossy(&a).into_owned();
        let print = other_fingerprint().as_bytes().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let at = text.find("fp=").expect("a fingerprint") + 3;
        let other_request = [&a[..at], print.as_bytes(), &a[at + 64..]].concat();
        for wrong in [&b"idem2 whatever\n"[..], &other_request, &a[1..], &a[..a.len() / 2]] {
            server.set("a", wrong).await;
            assert_eq!(server.till.call("a").await, Came::Refused, "{}", String::from_utf8_lossy(wrong));
            assert_eq!(server.get("a").await, wrong);
        }
        server.set("a", &a).await;
        assert_eq!(server.till.call("a").await, Came::Right, "its own record");
    });
}
