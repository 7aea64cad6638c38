//! Many records in Redis and PostgreSQL, with the sweep at work.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::Arc;

use idem::{Idem, Store};
use idem_benches::compare::{compare, Contender, Rounds, Timed};
use idem_benches::fan::{fan, two_threads};
use idem_benches::ids::Ids;
use idem_benches::plot::{Line, Plot};
use idem_benches::report::{Report, Row};
use idem_benches::subject::elsewhere;
use idem_benches::unit::{count, time};
use tokio::runtime::Runtime;

use crate::postgres::OnPostgres;
use crate::redis::OnRedis;
use crate::remote::Setting;

/// So many of the records are called.
const CALLED: u64 = 1_000;

pub(crate) fn run(report: &mut Report) {
    report.part(
        "Many records in Redis and PostgreSQL",
        "Replays of a thousand keys among as many records as said, one caller, result of 100 bytes. *Sweeping*: another task calls \
         `idem.sweep(500)` on PostgreSQL without a pause, on 100,000 (full: 800,000) other records that are over. Redis forgets by itself.",
    );
    let runtime = two_threads();
    let sizes: &[u64] = report.effort.pick(&[10_000, 100_000], &[10_000, 100_000, 1_000_000]);
    let mut lines = [Line::new("Redis"), Line::new("PostgreSQL"), Line::new("PostgreSQL, sweeping")];
    let (mut rows, mut bytes) = (Vec::new(), Vec::new());
    for size in sizes {
        redis(report, &runtime, *size, &mut lines[0], &mut rows, &mut bytes);
        let [_, still, sweeping] = &mut lines;
        postgres(report, &runtime, *size, [still, sweeping], &mut rows, &mut bytes);
    }
    report.compared(rows);
    report.table(&["store", "records", "bytes a record", ""], bytes);
    let plot = Plot::new("A replay from Redis and PostgreSQL, by the number of records", "records", time, lines.into());
    report.plot("records", "Time of a replay among 10,000 to a million records", &plot);
}

fn idem_of(runtime: &Runtime, store: Arc<dyn Store>) -> Idem {
    let idem = Idem::builder(store).build().expect("an Idem");
    runtime.block_on(async {
        for id in 0..CALLED {
            elsewhere(idem.clone(), id, 100).await.expect("it runs");
        }
    });
    idem
}

/// Beside what costs a round trip and no more.
fn replays<F>(
    report: &Report,
    runtime: &Runtime,
    idem: &Idem,
    ping: impl Fn(u64) -> F + Clone + Send + 'static,
) -> Vec<Timed>
where
    F: std::future::Future<Output = ()> + Send + 'static,
{
    let ids = Ids::uniform(CALLED);
    compare(
        Rounds::of(report.effort),
        vec![
            Contender::new("a bare round trip", |calls| fan(runtime, 1, calls, &ids, ping.clone())),
            Contender::new("replay", |calls| {
                let idem = idem.clone();
                fan(runtime, 1, calls, &ids, move |id| elsewhere(idem.clone(), id, 100))
            }),
        ],
    )
}

type Cells = Vec<Vec<String>>;

fn redis(report: &Report, runtime: &Runtime, size: u64, line: &mut Line, rows: &mut Vec<Row>, bytes: &mut Cells) {
    let on = runtime.block_on(OnRedis::start());
    let used = || {
        let info = on.server.cli(&["INFO", "memory"]);
        let line = info.lines().find_map(|line| line.strip_prefix("used_memory:")).expect("a line");
        line.trim().parse::<f64>().expect("a number")
    };
    let before = used();
    let idem = idem_of(runtime, on.store());
    // Copies under names of the same length.
    let copy = "local v = redis.call('GET', KEYS[1]) for n = tonumber(ARGV[1]), tonumber(ARGV[2]) do \
                redis.call('SET', string.sub(KEYS[1], 1, -9) .. string.format('%08x', n), v, 'PX', 86400000) end";
    let names: Vec<Vec<u8>> =
        runtime.block_on(redis::cmd("KEYS").arg("idem:*").query_async(&mut on.manager.clone())).expect("names");
    for first in (CALLED..size).step_by(1_000) {
        let mut command = redis::cmd("EVAL");
        command.arg(copy).arg(1).arg(&names[0]).arg(0x1000_0000 + first).arg(0x1000_0000 + (first + 999).min(size - 1));
        let _: redis::Value = runtime.block_on(command.query_async(&mut on.manager.clone())).expect("an answer");
    }
    let each = (used() - before) / size as f64;
    bytes.push(vec!["Redis".into(), count(size), format!("{each:.0}"), "of `used_memory`".into()]);
    let manager = on.manager.clone();
    let timed = replays(report, runtime, &idem, move |_| {
        let mut manager = manager.clone();
        async move {
            let _: redis::Value = redis::cmd("PING").query_async(&mut manager).await.expect("an answer");
        }
    });
    line.push(size as f64, timed[1].each);
    rows.push(Row::of(&format!("replay, Redis, {} records", count(size)), &timed[1], &timed[0], None));
}

/// Copies of a record, with ids strewn over the index.
fn fill(on: &OnPostgres, from: u64, to: u64, over: bool) {
    let (ends, tag) = if over { ("0", "over") } else { ("expires_at", "kept") };
    on.database.psql(&format!(
        "INSERT INTO idem.records (id, key, operation, state, owner, fence, attempt, at_most_once, after_unknown, \
         set_fingerprint, set_at_most_once, lease, ttl, expires_at, sweep_at, result) \
         SELECT sha256(('{tag}' || n)::bytea), key, operation, state, owner, fence, attempt, at_most_once, after_unknown, \
         set_fingerprint, set_at_most_once, lease, ttl, {ends}, {sweep}, result \
         FROM (SELECT * FROM idem.records WHERE state = 'completed' LIMIT 1) r, generate_series({from}, {to}) n",
        sweep = if over { "n" } else { "sweep_at" },
        to = to - 1
    ));
}

fn postgres(
    report: &Report,
    runtime: &Runtime,
    size: u64,
    lines: [&mut Line; 2],
    rows: &mut Vec<Row>,
    bytes: &mut Cells,
) {
    let on = runtime.block_on(OnPostgres::start(&["max_wal_size = '4GB'"]));
    let idem = idem_of(runtime, on.store());
    fill(&on, CALLED, size, false);
    on.database.psql("VACUUM ANALYZE idem.records");
    let total: f64 = on.database.psql("SELECT pg_total_relation_size('idem.records')").parse().expect("a number");
    let each = total / size as f64;
    bytes.push(vec![
        "PostgreSQL".into(),
        count(size),
        format!("{each:.0}"),
        "with both indexes, as loaded; calls leave a dead row each".into(),
    ]);
    let pool = on.pool.clone();
    let ping = move |_| {
        let pool = pool.clone();
        async move {
            let client = pool.get().await.expect("a connection");
            let statement = client.prepare_cached("SELECT 1").await.expect("it is a statement");
            client.query(&statement, &[]).await.expect("an answer");
        }
    };
    let [still, sweeping] = lines;
    let timed = replays(report, runtime, &idem, ping.clone());
    still.push(size as f64, timed[1].each);
    rows.push(Row::of(&format!("replay, PostgreSQL, {} records", count(size)), &timed[1], &timed[0], None));
    fill(&on, 0, report.effort.pick(100_000, 800_000), true);
    on.database.psql("ANALYZE idem.records");
    let (stop, swept) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let sweeper = runtime.spawn({
        let (idem, stop, swept) = (idem.clone(), Arc::clone(&stop), Arc::clone(&swept));
        async move {
            while !stop.load(Ordering::Relaxed) {
                let gone = idem.sweep(500).await.expect("it sweeps");
                swept.fetch_add(gone, Ordering::Relaxed);
            }
        }
    });
    let began = std::time::Instant::now();
    let timed = replays(report, runtime, &idem, ping);
    let rate = swept.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64();
    stop.store(true, Ordering::Relaxed);
    runtime.block_on(sweeper).expect("it does not panic");
    sweeping.push(size as f64, timed[1].each);
    let path = format!("replay, PostgreSQL, {} records, sweeping {} a second", count(size), count(rate as u64));
    rows.push(Row::of(&path, &timed[1], &timed[0], None));
}
