//! A row of each kind, as `psql` shows it: stored rows are for ever, and people read them.
//!
//! `IDEM_GOLDEN=write cargo test -p idem-postgres golden` writes the file if it is missing.

use std::path::Path;
use std::time::Duration;

use idem_core::{
    Claim, Completion, Ending, Fingerprint, Finish, Owner, Payload, SaveStep, Settle, Settlement, Step, Store,
};
use idem_postgres::PgStore;
use idem_test_servers::Postgres;

use crate::support::{assert_replays, done, granted, key};

const NOW: u64 = 1_700_000_000_000_000;

async fn write_all(store: &PgStore) {
    let owner = |n: u8| Owner::from_bytes([n; 16]);
    let (lease, ttl) = (Duration::from_secs(15), Duration::from_secs(86_400));
    let print = Some(Fingerprint::from_bytes([0xf1; 32]));
    let claimed = |part: &'static str, n: u8| {
        let claim = Claim::new(owner(n), lease, ttl).fingerprint(print).at_most_once(n == 2);
        async move { drop(granted(&store.claim(&key(part), &claim).await.unwrap()).clone()) }
    };
    for (n, part) in (1..).zip(["running", "completed", "unreplayable", "failed", "unknown", "settled"]) {
        claimed(part, n).await;
    }
    let end = |part: &'static str, n: u8, ending: Ending| async move {
        store.finish(&key(part), &Finish::new(owner(n), ending)).await.unwrap();
    };
    end("completed", 2, done(b"\x01\x01\x00{\"cents\":500,\"to\":\"\xc3\xbc\\\\\"}")).await;
    end("unreplayable", 3, Ending::Completed(Completion::Unreplayable)).await;
    for (index, name) in (0..).zip(["reserve", "charge"]) {
        let step = Step::new(name, Payload::from_bytes(&b"\x01\x01\x007"[..]));
        store.save_step(&key("failed"), &SaveStep::new(owner(4), index, step)).await.unwrap();
    }
    end("failed", 4, Ending::Failed).await;
    end("unknown", 5, Ending::Unknown).await;
    end("settled", 6, Ending::Unknown).await;
    let seen = store.load(&key("settled")).await.unwrap().unwrap();
    let settle = Settle::new(&seen, owner(7), Settlement::Forgotten);
    store.settle(&key("settled"), &settle).await.unwrap();
}

fn shown(postgres: &Postgres) -> String {
    let table = |name: &str| {
        let columns = postgres.psql(&format!(
            "SELECT string_agg(column_name || ' ' || data_type, ', ' ORDER BY ordinal_position) FROM information_schema.columns \
             WHERE table_schema = 'idem' AND table_name = '{name}'"
        ));
        let rows = postgres.psql(&format!("SET timezone = 'UTC'; SELECT * FROM idem.{name} ORDER BY id"));
        format!("{name}: {columns}\n{rows}\n")
    };
    table("records") + &table("calls")
}

#[tokio::test]
async fn rows_are_as_version_1_wrote_them() {
    let postgres = Postgres::builder().clock(NOW).start();
    let store = PgStore::connect(&postgres.url()).await.unwrap();
    write_all(&store).await;
    let shown = shown(&postgres);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/rows.v1");
    if std::env::var_os("IDEM_GOLDEN").is_some() && !file.exists() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, &shown).unwrap();
    }
    let golden = std::fs::read_to_string(&file).expect("the file is there");
    assert_eq!(shown, golden);

    // And they are read back, from the file alone.
    postgres.psql("DELETE FROM idem.records");
    let rows = golden.lines().skip(1).take_while(|line| !line.starts_with("calls:"));
    for row in rows {
        let values: Vec<_> =
            row.split('|').map(|value| if value.is_empty() { "NULL".into() } else { format!("'{value}'") }).collect();
        postgres.psql(&format!("INSERT INTO idem.records VALUES ({})", values.join(", ")));
    }
    assert_replays(&store, &key("completed"), b"\x01\x01\x00{\"cents\":500,\"to\":\"\xc3\xbc\\\\\"}").await;
    let record = |part: &'static str| async { store.load(&key(part)).await.unwrap().expect("a record") };
    assert_eq!(
        record("failed").await.steps.iter().map(|step| step.name).collect::<Vec<_>>(),
        ["reserve".into(), Box::from("charge")]
    );
    assert!(record("settled").await.is_blank());
    assert!(record("completed").await.at_most_once);
    assert_eq!(record("running").await.owner, Owner::from_bytes([1; 16]));
    assert_eq!(record("unknown").await.fingerprint, Some(Fingerprint::from_bytes([0xf1; 32])));
}
