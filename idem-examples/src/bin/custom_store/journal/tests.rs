use std::fs;
use std::time::Duration;

use idem::{Claim, Claimed, Ending, Finish, Key, List, Owner, Ownership, State, Store, SystemClock};
use idem_testing::{conformance, Clock, Suite};

use super::{line, Journal};
use crate::temp::Temp;

#[tokio::test(flavor = "multi_thread")]
async fn it_keeps_the_contract() {
    conformance(Journal::open(&Temp::new("journal"), SystemClock::new()).unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_clock_that_steps() {
    let (dir, clock) = (Temp::new("journal-clock"), Clock::new());
    let report = Suite::new(Journal::open(&dir, clock.clone()).unwrap()).clock(clock).run().await;
    report.assert();
    assert!(report.skipped.is_empty(), "{report}");
}

const LEASE: Duration = Duration::from_secs(15);
const TTL: Duration = Duration::from_secs(3600);

fn key(n: usize) -> Key {
    Key::new("", "journal", &n).unwrap()
}

fn open(dir: &Temp, clock: &Clock) -> Journal {
    Journal::open(dir, clock.clone()).unwrap()
}

async fn granted(journal: &Journal, key: &Key) -> Owner {
    let claim = Claim::new(Owner::random(), LEASE, TTL);
    let answer = journal.claim(key, &claim).await.unwrap();
    assert!(matches!(answer, Claimed::Granted(_)), "{answer:?}");
    claim.owner
}

/// What is in the file of a journal with a run that ended, and one whose ending is its last line.
async fn two_runs(dir: &Temp, clock: &Clock) -> (Vec<u8>, Owner) {
    let journal = open(dir, clock);
    let owners = (granted(&journal, &key(1)).await, granted(&journal, &key(2)).await);
    journal.finish(&key(1), &Finish::new(owners.0, Ending::Failed)).await.unwrap();
    journal.finish(&key(2), &Finish::new(owners.1, Ending::Unknown)).await.unwrap();
    (fs::read(dir.join("journal")).unwrap(), owners.1)
}

fn lines(dir: &Temp) -> usize {
    fs::read_to_string(dir.join("journal")).unwrap().lines().count()
}

#[tokio::test]
async fn a_torn_last_line_was_never_written() {
    let (dir, clock) = (Temp::new("torn"), Clock::new());
    let (text, owner) = two_runs(&dir, &clock).await;
    let last = text[..text.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    for end in last..text.len() {
        fs::write(dir.join("journal"), &text[..end]).unwrap();
        let journal = open(&dir, &clock);
        assert_eq!(journal.load(&key(1)).await.unwrap().unwrap().state, State::Failed);
        assert!(matches!(journal.load(&key(2)).await.unwrap().unwrap().state, State::Running { .. }));
        // What comes next does not run into it.
        assert_eq!(journal.finish(&key(2), &Finish::new(owner, Ending::Unknown)).await.unwrap(), Ownership::Held);
        drop(journal);
        assert_eq!(open(&dir, &clock).load(&key(2)).await.unwrap().unwrap().state, State::Unknown);
    }
}

#[tokio::test]
async fn damage_is_said_and_left_as_it_is() {
    let (dir, clock) = (Temp::new("damage"), Clock::new());
    let (text, _) = two_runs(&dir, &clock).await;
    let said = |text: &[u8]| {
        fs::write(dir.join("journal"), text).unwrap();
        let error = Journal::open(&dir, clock.clone()).unwrap_err().to_string();
        assert_eq!(fs::read(dir.join("journal")).unwrap(), text, "{error}");
        error
    };
    // All but the last end of a line: without it that line is torn.
    for at in 0..text.len() - 1 {
        let mut damaged = text.clone();
        damaged[at] ^= 1;
        let line = text[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
        let right = if line == 1 { "of another version".to_owned() } else { format!("line {line} of the journal") };
        assert!(said(&damaged).contains(&right), "{at}");
    }
    for foreign in [&b""[..], b"idem journal", b"idem journal 2\n", b"\n"] {
        assert!(said(foreign).contains("is none, or of another version"));
    }
    assert!(said(&[&*text, b"\n"].concat()).contains("line 6 of the journal is damaged"));
    fs::write(dir.join("journal"), &text).unwrap();
    assert!(open(&dir, &clock).load(&key(1)).await.unwrap().is_some(), "the honest one");
}

#[tokio::test]
async fn what_a_newer_build_wrote_stays_as_it_is() {
    let (dir, clock) = (Temp::new("newer"), Clock::new());
    let (text, _) = two_runs(&dir, &clock).await;
    let newer = line::write(key(2).as_bytes(), b"\x02 of a later version");
    fs::write(dir.join("journal"), [&*text, newer.as_bytes()].concat()).unwrap();
    for _ in 0..2 {
        let journal = open(&dir, &clock);
        let claim = Claim::new(Owner::random(), LEASE, TTL);
        assert!(journal.claim(&key(2), &claim).await.unwrap_err().is_unreadable());
        assert!(journal.load(&key(2)).await.unwrap_err().is_unreadable());
        clock.step(TTL);
        journal.sweep(usize::MAX).await.unwrap();
        granted(&journal, &key(1)).await;
        let page = journal.list(&List::new(Key::prefix("", "journal"))).await.unwrap();
        assert_eq!(page.records.iter().map(|listed| listed.record.is_ok()).collect::<Vec<_>>(), [true, false]);
    }
    assert!(fs::read_to_string(dir.join("journal")).unwrap().contains(&newer));
}

#[tokio::test]
async fn it_is_one_process() {
    let (dir, clock) = (Temp::new("one"), Clock::new());
    let journal = open(&dir, &clock);
    let second = Journal::open(&dir, clock.clone()).unwrap_err();
    assert_eq!(second.to_string(), "another process has the journal");
    granted(&journal, &key(1)).await;
    drop(journal);
    assert!(open(&dir, &clock).load(&key(1)).await.unwrap().is_some());
}

#[tokio::test]
async fn sweeping_makes_it_shorter() {
    let (dir, clock) = (Temp::new("sweeping"), Clock::new());
    let journal = open(&dir, &clock);
    for n in 0..10 {
        let owner = granted(&journal, &key(n)).await;
        journal.finish(&key(n), &Finish::new(owner, Ending::Unknown)).await.unwrap();
    }
    assert_eq!(lines(&dir), 1 + 20);
    clock.step(TTL / 2);
    granted(&journal, &key(10)).await;
    assert_eq!(journal.sweep(100).await.unwrap(), 0);
    clock.step(TTL / 2);
    assert_eq!(journal.sweep(4).await.unwrap(), 4);
    assert_eq!(lines(&dir), 1 + 7);
    assert_eq!(journal.sweep(100).await.unwrap(), 6);
    assert_eq!(lines(&dir), 1 + 1);
    // It goes on in the shorter one.
    granted(&journal, &key(0)).await;
    drop(journal);
    let journal = open(&dir, &clock);
    let mut there = Vec::new();
    for n in 0..11 {
        there.extend(journal.load(&key(n)).await.unwrap().map(|_| n));
    }
    assert_eq!(there, [0, 10]);
}

#[tokio::test]
async fn pages_show_each_record_once_in_the_order_of_the_keys() {
    let (dir, clock) = (Temp::new("pages"), Clock::new());
    let journal = open(&dir, &clock);
    for n in 0..6 {
        let owner = granted(&journal, &key(n)).await;
        // Of a run that never began nothing is left but its fence.
        let ending = if n == 3 { Ending::Withdrawn } else { Ending::Failed };
        journal.finish(&key(n), &Finish::new(owner, ending)).await.unwrap();
    }
    for limit in 1..8 {
        let (mut shown, mut list) = (Vec::new(), List::new(Key::prefix("", "journal")).limit(limit));
        loop {
            let page = journal.list(&list).await.unwrap();
            assert!(page.records.len() <= limit);
            shown.extend(page.records.into_iter().map(|listed| listed.key));
            match page.next {
                Some(next) => list = list.after(Some(next)),
                None => break,
            }
        }
        assert_eq!(shown, [0, 1, 2, 4, 5].map(key));
    }
}
