//! More and more keys in memory, beside moka's own get.

use idem::{Idem, MokaStore};
use idem_benches::compare::{compare, Contender, Rounds};
use idem_benches::fan::{fan, one_thread};
use idem_benches::ids::Ids;
use idem_benches::plot::{Line, Plot};
use idem_benches::report::{Report, Row};
use idem_benches::spread::Spread;
use idem_benches::subject::{cache, elsewhere, Blob};
use idem_benches::unit::{count, figures, time};

/// Of a result; the machine has to hold ten million of them twice.
const BYTES: usize = 100;

pub(crate) fn run(report: &mut Report) {
    report.part(
        "More keys in memory",
        "Replays of keys drawn uniformly from all that there are, on one thread, beside a `moka::future` get of the same value. Growth is \
         this ratio in terms of the one at 1,000 keys: 1 is growing as fast as moka itself.",
    );
    let runtime = one_thread();
    let idem = Idem::builder(MokaStore::new()).build().expect("an Idem");
    let blobs = cache::<Blob>();
    let (mut moka, mut ours) = (Line::new("moka get"), Line::new("replay"));
    let (mut rows, mut there, mut first) = (Vec::new(), 0, None);
    let mut grown = None;
    for power in 3..=report.effort.pick(6, 7) {
        let keys = 10_u64.pow(power);
        let more = Ids::list(there..keys);
        let calls = u32::try_from(keys - there).expect("so many");
        let fill = (blobs.clone(), idem.clone());
        fan(&runtime, 1, calls, &more, move |id| {
            let (blobs, idem) = fill.clone();
            async move {
                let blob = elsewhere(idem, id, BYTES).await.expect("it runs");
                blobs.insert(id, blob).await;
            }
        });
        there = keys;
        let ids = Ids::uniform(keys);
        let timed = compare(
            Rounds::of(report.effort),
            vec![
                Contender::new("moka get", |calls| {
                    let blobs = blobs.clone();
                    fan(&runtime, 1, calls, &ids, move |id| {
                        let blobs = blobs.clone();
                        async move { blobs.get(&id).await }
                    })
                }),
                Contender::new("replay", |calls| {
                    let idem = idem.clone();
                    fan(&runtime, 1, calls, &ids, move |id| elsewhere(idem.clone(), id, BYTES))
                }),
            ],
        );
        moka.push(keys as f64, timed[0].each);
        ours.push(keys as f64, timed[1].each);
        let Spread { median, .. } = timed[1].ratio;
        grown = Some((keys, timed[1].ratio.over(*first.get_or_insert(median))));
        rows.push(Row::of(&format!("replay among {} keys", count(keys)), &timed[1], &timed[0], None));
    }
    if let Some((keys, grown)) = grown {
        let spread = format!("{}–{}", figures(grown.low), figures(grown.high));
        let beside = format!("moka's own get, {} keys", count(keys));
        let cells = ["growth from 1,000 keys".into(), beside, figures(grown.median), spread, "1.00".into()];
        report.judged(cells, grown.median < 1.005);
    }
    report.compared(rows);
    let plot = Plot::new("A replay from memory, by the number of keys", "keys", time, vec![moka, ours]);
    report.plot("keys", "Time of a replay and of a moka get among a thousand to ten million keys", &plot);
}
