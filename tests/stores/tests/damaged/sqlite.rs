//! SQLite: the record is bytes of the core's, with a checksum of the key and all of it. Beside it stand columns for the sweep and
//! for those who look, which no call reads.

use idem_sqlite::SqliteStore;
use rusqlite::Connection;

use crate::support::{key, run, with_bit, Came, Count, Till};

struct File {
    till: Till,
    sql: Connection,
    path: std::path::PathBuf,
}

impl File {
    async fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("idem-damaged-{}-{name}.db", std::process::id()));
        let store = SqliteStore::open(&path).await.expect("a store");
        let sql = Connection::open(&path).expect("a connection");
        sql.busy_timeout(std::time::Duration::from_secs(5)).expect("patience");
        sql.execute_batch("PRAGMA synchronous = OFF").expect("it is a test");
        Self { till: Till::new(std::sync::Arc::new(store)), sql, path }
    }

    fn get(&self, part: &str) -> Vec<u8> {
        let of = "SELECT record FROM idem_records WHERE key = ?1";
        self.sql.query_row(of, [key(part).as_bytes()], |row| row.get(0)).expect("a record")
    }

    fn set(&self, part: &str, bytes: &[u8]) {
        let of = "UPDATE idem_records SET record = ?2 WHERE key = ?1";
        self.sql.execute(of, rusqlite::params![key(part).as_bytes(), bytes]).expect("written");
    }
}

impl Drop for File {
    fn drop(&mut self) {
        for end in ["", "-wal", "-shm"] {
            let mut path = self.path.clone().into_os_string();
            path.push(end);
            let _ = std::fs::remove_file(path);
        }
    }
}

#[test]
fn every_flipped_bit_and_every_cut_is_refused() {
    run(async {
        let file = File::new("flips").await;
        file.till.charge("a").await;
        file.till.charge("bb").await;
        let whole = file.get("a");
        let mut count = Count::default();
        let flips = (0..whole.len() * 8).map(|bit| with_bit(&whole, bit));
        let cuts = (0..whole.len()).map(|cut| whole[..cut].to_vec());
        for bytes in flips.chain(cuts).chain([[&whole[..], b"\0"].concat()]) {
            file.set("a", &bytes);
            count.add(file.till.call("a").await, || format!("{bytes:02x?}"));
            assert_eq!(file.get("a"), bytes, "it is left as it is");
        }
        count.print("SQLite");
        assert_eq!((count.right, count.ran), (0, vec![]));
        assert_eq!(file.till.call("bb").await, Came::Right, "its neighbour is sound");
        file.set("a", &whole);
        assert_eq!(file.till.call("a").await, Came::Right, "so is it");
        // The last byte is the result's: the record around it reads, and can be mended.
        file.set("a", &with_bit(&whole, (whole.len() - 1) * 8));
        assert_eq!(file.till.call("a").await, Came::Refused);
        file.till.mend("a").await;
    });
}

#[test]
fn records_of_other_keys_and_other_versions_are_refused() {
    run(async {
        let file = File::new("swaps").await;
        for part in ["a", "bb"] {
            file.till.charge(part).await;
        }
        file.till.fail("failed").await;
        let (a, b) = (file.get("a"), file.get("bb"));
        for (of_a, of_b) in [(b.clone(), a.clone()), (file.get("failed"), b.clone()), (vec![], b.clone())] {
            file.set("a", &of_a);
            file.set("bb", &of_b);
            assert_eq!(file.till.call("a").await, Came::Refused);
            assert_eq!(file.till.call("bb").await, if of_b == b { Came::Right } else { Came::Refused });
            assert_eq!((file.get("a"), file.get("bb")), (of_a, of_b), "they are left as they are");
        }
        file.set("a", &[&[2], &a[1..]].concat());
        assert_eq!(file.till.call("a").await, Came::Refused, "a newer version's");
        file.set("a", &a);
        assert_eq!(file.till.call("a").await, Came::Right, "its own record");
        file.till.mend("a").await;
        file.sql.execute("DELETE FROM idem_records WHERE key = ?1", [key("bb").as_bytes()]).expect("deleted");
        assert_eq!(file.till.call("bb").await, Came::Ran, "what is deleted is not known");
    });
}
