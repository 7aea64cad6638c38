//! PostgreSQL: a column for each field; what cannot be a record is refused by the table itself. The result has a checksum of the key
//! and itself; the other columns have PostgreSQL's, where the cluster has any (`initdb --data-checksums`).

use idem_postgres::PgStore;
use idem_test_servers::{Database, Postgres};
use tokio_postgres::{Client, NoTls};

use crate::support::{key, other_fingerprint, run, with_bit, Came, Count, Till};

struct Table {
    till: Till,
    sql: Client,
    _database: Database,
}

impl Table {
    async fn new() -> Self {
        let database = Postgres::shared().fresh_database();
        let store = PgStore::connect(&database.url()).await.expect("a store");
        let (sql, connection) = tokio_postgres::connect(&database.url(), NoTls).await.expect("a connection");
        tokio::spawn(connection);
        Self { till: Till::new(std::sync::Arc::new(store)), sql, _database: database }
    }

    async fn result(&self, part: &str) -> Option<Vec<u8>> {
        let of = "SELECT result FROM idem.records WHERE key = $1";
        self.sql.query_one(of, &[&key(part).as_bytes()]).await.expect("a row").get(0)
    }

    async fn set_result(&self, part: &str, bytes: &[u8]) {
        let of = "UPDATE idem.records SET result = $2 WHERE key = $1";
        self.sql.execute(of, &[&key(part).as_bytes(), &bytes]).await.expect("written");
    }

    /// Whether the table took it.
    async fn set(&self, part: &str, what: &str) -> bool {
        let of = format!("UPDATE idem.records SET {what} WHERE key = $1");
        self.sql.execute(&of, &[&key(part).as_bytes()]).await.is_ok()
    }
}

#[test]
fn every_flipped_bit_and_every_cut_of_a_result_is_refused() {
    run(async {
        let table = Table::new().await;
        table.till.charge("a").await;
        table.till.charge("bb").await;
        let whole = table.result("a").await.expect("a result");
        let mut count = Count::default();
        let flips = (0..whole.len() * 8).map(|bit| with_bit(&whole, bit));
        for bytes in flips.chain((0..whole.len()).map(|cut| whole[..cut].to_vec())) {
            table.set_result("a", &bytes).await;
            count.add(table.till.call("a").await, || format!("{bytes:02x?}"));
            assert_eq!(table.result("a").await.as_ref(), Some(&bytes), "it is left as it is");
        }
        count.print("PostgreSQL, result");
        assert_eq!((count.right, count.ran), (0, vec![]));
        assert_eq!(table.till.call("bb").await, Came::Right, "its neighbour is sound");
        table.till.mend("a").await;
    });
}

#[test]
fn what_else_is_changed_is_refused_or_changes_nothing() {
    run(async {
        let table = Table::new().await;
        table.till.charge("a").await;
        table.till.charge("bb").await;
        table.sql.batch_execute("CREATE TABLE saved AS SELECT * FROM idem.records").await.expect("saved");
        let print = other_fingerprint().as_bytes().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let changes = [
            ("format = format | 2".to_owned(), Came::Refused),
            (format!("fingerprint = '\\x{print}'"), Came::Refused),
            ("fingerprint = NULL".to_owned(), Came::Right),
            ("owner = set_bit(owner, 3, 1 - get_bit(owner, 3))".to_owned(), Came::Right),
            ("fence = fence # 1024".to_owned(), Came::Right),
            ("attempt = attempt # 4".to_owned(), Came::Right),
            ("lease = lease # 4".to_owned(), Came::Right),
            ("ttl = ttl # 4".to_owned(), Came::Right),
            ("operation = 'refund'".to_owned(), Came::Right),
            ("at_most_once = true, after_unknown = true".to_owned(), Came::Right),
        ];
        let mut count = Count::default();
        for (change, right) in changes {
            assert!(table.set("a", &change).await, "{change}");
            let came = table.till.call("a").await;
            count.add(came, || change.clone());
            assert_eq!(came, right, "{change}");
            assert_eq!(table.till.call("bb").await, Came::Right);
            let back = "DELETE FROM idem.records; INSERT INTO idem.records SELECT * FROM saved";
            table.sql.batch_execute(back).await.expect("restored");
        }
        count.print("PostgreSQL, other columns");
        for refused in
            ["state = 'failed'", "state = 'completes'", "owner = substr(owner, 2)", "result = NULL", "step_count = 1"]
        {
            assert!(!table.set("a", refused).await, "the table takes `{refused}`");
        }
        assert_eq!(table.till.call("a").await, Came::Right);
    });
}

#[test]
fn results_of_other_keys_and_other_versions_are_refused() {
    run(async {
        let table = Table::new().await;
        table.till.charge("a").await;
        table.till.charge("bb").await;
        let (a, b) = (table.result("a").await.expect("a result"), table.result("bb").await.expect("a result"));
        table.set_result("a", &b).await;
        table.set_result("bb", &a).await;
        for part in ["a", "bb"] {
            assert_eq!(table.till.call(part).await, Came::Refused);
        }
        assert_eq!((table.result("a").await, table.result("bb").await), (Some(b.clone()), Some(a.clone())));
        for part in ["a", "bb"] {
            table.till.mend(part).await;
        }
        table.set_result("a", &[&[3], &a[1..]].concat()).await;
        assert_eq!(table.till.call("a").await, Came::Refused, "a newer version's");
        table.set_result("a", &a).await;
        assert_eq!(table.till.call("a").await, Came::Right, "its own result");
    });
}

#[test]
fn a_row_in_another_keys_place_is_refused() {
    run(async {
        let table = Table::new().await;
        table.till.charge("a").await;
        table.till.charge("bb").await;
        let exchange = "CREATE TABLE ids AS SELECT id, row_number() OVER (ORDER BY id) AS n FROM idem.records;
            CREATE TABLE moved AS SELECT * FROM idem.records; DELETE FROM idem.records;
            UPDATE moved m SET id = o.id FROM ids i, ids o WHERE m.id = i.id AND i.n <> o.n;
            INSERT INTO idem.records SELECT * FROM moved";
        table.sql.batch_execute(exchange).await.expect("exchanged");
        for part in ["a", "bb"] {
            assert_eq!(table.till.call(part).await, Came::Refused);
        }
    });
}
