//! A real cluster: three masters, and a replica of the first.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use idem_core::{Applied, Claimed, Finish, Key, List, Ownership, Store};
use idem_redis::{Error, RedisStore};
use idem_test_servers::RedisCluster;
use idem_testing::Suite;

use crate::support::{builder, claim, completed, eventually, granted, key, prefix, replayed, why};

async fn all_keys(store: &RedisStore, limit: usize) -> BTreeSet<Vec<u8>> {
    let (mut keys, mut after) = (BTreeSet::new(), None);
    loop {
        let page = store.list(&List::new(key("any").scope()).after(after).limit(limit)).await.unwrap();
        keys.extend(page.records.iter().map(|listed| listed.key.as_bytes().to_vec()));
        after = page.next;
        if after.is_none() {
            return keys;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_conforms_and_what_a_failover_loses_is_counted() {
    let cluster = RedisCluster::start();
    let prefix = prefix();
    let connect = || async { builder().key_prefix(&*prefix).connect_cluster(cluster.urls()).await.unwrap() };
    let (one, two) = (connect().await, connect().await);
    assert_eq!(one.warnings(), []);
    Suite::new(connect().await).handle(connect().await).run().await.assert();
    // By one server alone it is refused, with the right word.
    let error = RedisStore::connect(&cluster.urls()[0]).await.unwrap_err();
    assert!(matches!(error, Error::Cluster), "{error:?}");
    // On the service's own connection it is the same store; what is published on one server is heard on the others.
    let client = redis::cluster::ClusterClient::new(cluster.urls()).unwrap();
    let own = builder().key_prefix(&*prefix).subscribe_at(cluster.urls()[2].clone());
    let own = own.from_connection(client.get_async_connection().await.unwrap()).await.unwrap();
    let (news, first) = (key("news"), claim());
    granted(&one, &news, &first).await;
    tokio::time::timeout(Duration::from_secs(5), own.changed(&news)).await.expect("subscribed");
    let ending = async { one.finish(&news, &Finish::new(first.owner, completed(b"done"))).await.unwrap() };
    tokio::time::timeout(Duration::from_secs(5), async { tokio::join!(own.changed(&news), ending) })
        .await
        .expect("news");

    const COUNT: usize = 3_000;
    let (mut done, mut running) = (Vec::new(), Vec::new());
    for n in 0..COUNT / 100 {
        // Many at once, up to the moment of the kill.
        let batch = (0..100).map(|m| {
            let (one, key, claim) = (one.clone(), key(&format!("{n}.{m}")), claim());
            tokio::spawn(async move {
                granted(&one, &key, &claim).await;
                if m % 10 != 0 {
                    one.finish(&key, &Finish::new(claim.owner, completed(b"done"))).await.unwrap();
                }
                (key, claim)
            })
        });
        for (m, task) in batch.collect::<Vec<_>>().into_iter().enumerate() {
            if m % 10 == 0 { &mut running } else { &mut done }.push(task.await.unwrap());
        }
    }
    let expected: BTreeSet<Vec<u8>> =
        done.iter().chain(&running).map(|(key, _)| key.as_bytes().to_vec()).chain([news.as_bytes().to_vec()]).collect();
    assert_eq!(all_keys(&two, 100).await, expected, "all masters' records are listed");

    // Writers go on while the first master dies.
    let writers: Vec<_> = (0..8).map(|writer| tokio::spawn(write_until_it_fails(one.clone(), writer))).collect();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let killed = Instant::now();
    cluster.kill_first_master();
    let mut acknowledged = Vec::new();
    for writer in writers {
        acknowledged.extend(writer.await.unwrap());
    }
    cluster.wait_for_failover();
    eventually("every slot answers", || async {
        let mut keys = done.iter().take(60);
        let mut all = true;
        while let (true, Some((key, _))) = (all, keys.next()) {
            all = two.load(key).await.is_ok();
        }
        all
    })
    .await;
    let away = killed.elapsed();

    let mut lost = 0;
    for (key, _) in &done {
        lost += usize::from(two.load(key).await.unwrap().is_none());
    }
    let mut lost_late = 0;
    for key in &acknowledged {
        let record = two.load(key).await.unwrap();
        lost_late += usize::from(!record.is_some_and(|record| {
            record.completed(record.expires_at).is_some() || matches!(record.state, idem_core::State::Completed(_))
        }));
    }
    println!(
        "failover: away for {away:?}; of {} results acknowledged long before the kill {lost} were lost, of {} acknowledged \
         while it was killed {lost_late}",
        done.len(),
        acknowledged.len()
    );
    assert_eq!(lost, 0, "what the replica had is there");
    // The laws that do not depend on what was lost: who holds a lock keeps it, others do not get it, endings land once.
    for (key, mine) in &running {
        if two.load(key).await.unwrap().is_none() {
            continue;
        }
        assert!(matches!(one.claim(key, &claim()).await.unwrap(), Claimed::Running { .. }));
        assert_eq!(two.renew(key, mine.owner).await.unwrap(), Ownership::Held);
        assert_eq!(two.finish(key, &Finish::new(mine.owner, completed(b"late"))).await.unwrap(), Ownership::Held);
        assert_eq!(replayed(&one, key).await, b"late");
    }

    // Worse luck: the replica is away while results are acknowledged, and is all that is left of them afterwards.
    let [old_master, .., master] = cluster.nodes() else { panic!("four") };
    old_master.restart();
    cluster.wait_until_whole();
    old_master.kill();
    let mut away = Vec::new();
    for n in 0..300 {
        let (key, claim) = (key(&format!("unseen {n}")), claim());
        let fence = granted(&one, &key, &claim).await.fence;
        one.finish(&key, &Finish::new(claim.owner, completed(b"done"))).await.unwrap();
        away.push((key, fence));
    }
    master.kill();
    old_master.restart();
    eventually("the stale replica is master", || async {
        old_master.cli(&["ROLE"]).starts_with("master")
            && old_master.cli(&["CLUSTER", "INFO"]).contains("cluster_state:ok")
    })
    .await;
    let mut lost = 0;
    for (key, fence) in &away {
        let mut answer = two.claim(key, &claim()).await;
        let until = Instant::now() + Duration::from_secs(20);
        while answer.is_err() && Instant::now() < until {
            answer = two.claim(key, &claim()).await;
        }
        match answer.unwrap() {
            Claimed::Granted(grant) => {
                lost += 1;
                assert!(grant.fence > *fence, "fences rise all the same");
            }
            other => assert!(matches!(other, Claimed::Completed(_) | Claimed::Running { .. }), "{other:?}"),
        }
    }
    println!("failover to a stale replica: of {} results acknowledged while it was away {lost} were lost", away.len());
    assert!(lost > 0, "this is what a failover can lose");
}

/// Runs keys until one fails; those whose ending was acknowledged.
async fn write_until_it_fails(store: RedisStore, writer: usize) -> Vec<Key> {
    let mut acknowledged = Vec::new();
    for n in 0.. {
        let (key, claim) = (key(&format!("late {writer}.{n}")), claim());
        let run = async {
            store.claim(&key, &claim).await?;
            store.finish(&key, &Finish::new(claim.owner, completed(b"done"))).await
        };
        match run.await {
            Ok(held) => assert_eq!(held, Ownership::Held),
            Err(error) => {
                // It was sent again silently, so nobody knows of the first sending.
                assert!(error.is_retryable() && error.applied() == Applied::Unknown, "{error:?} {:?}", why(&error));
                break;
            }
        }
        acknowledged.push(key);
    }
    acknowledged
}
