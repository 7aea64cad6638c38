//! Stores with the mistakes that were found in other libraries: the suite names each of them.
#![allow(clippy::expect_used, clippy::unwrap_used, missing_docs)]

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use idem_core::{
    transition, Change, Claim, Claimed, Clock as _, Completion, Ending, Finish, Grant, Key, Owner, Ownership, Payload,
    Record, Renew, Settle, Settled, State, Store, StoreError, Timestamp, Verb,
};
use idem_testing::{Clock, Report, Suite};

/// What is wrong with a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mistake {
    None,
    /// Reads, and writes some time later.
    CheckThenAct,
    /// Whoever ends a run ends it.
    EndedByAnybody,
    /// Whoever ends a run ends whatever its token was granted since.
    EndedByACopy,
    /// Whoever renews a key keeps it.
    RenewedByAnybody,
    /// A crashed owner keeps its key for ever.
    LeaseWithoutEnd,
    /// The fingerprint is lost when the run ends.
    FingerprintLost,
    /// An empty result looks like no record.
    FalsyLost,
    /// Keys go through lossy text.
    LossyKeys,
    /// The fence is a column of the row, and begins anew when that was deleted.
    FenceFalls,
    /// A failure forgets how often it was tried.
    AttemptsForgotten,
    /// An attempt whose outcome is unknown is as good as none.
    AtMostOnceIgnored,
    /// The second time, an ending is lost.
    ResendingIsLost,
    /// Results are kept for ever.
    NeverForgets,
    /// A later result goes over the first.
    LastResultWins,
    /// Reads at a renewal, and writes some time later.
    RenewalNotAtomic,
    /// The row's own expiry is set by the claim, and no renewal moves it.
    RetentionNotRenewed,
    /// Keys have room for a kilobyte.
    KeysCut,
    /// A lock that is not let go of when a verb is dropped.
    LockLeaks,
    /// Sweeping takes failures before their time.
    SweepsFailures,
}

#[derive(Debug)]
struct Broken {
    mistake: Mistake,
    clock: Clock,
    records: Mutex<HashMap<Vec<u8>, Record>>,
    locked: Mutex<HashSet<Vec<u8>>>,
}

impl Broken {
    fn file(&self, key: &Key) -> Vec<u8> {
        match self.mistake {
            Mistake::LossyKeys => String::from_utf8_lossy(key.as_bytes()).to_lowercase().into_bytes(),
            Mistake::KeysCut => key.as_bytes().iter().take(1200).copied().collect(),
            _ => key.as_bytes().to_vec(),
        }
    }

    fn read(&self, key: &Key) -> Option<Record> {
        let record = self.records.lock().unwrap().get(&self.file(key)).cloned()?;
        match &record.state {
            State::Completed(Completion::Result(payload)) if payload.as_bytes().is_empty() => {
                (self.mistake != Mistake::FalsyLost).then_some(record)
            }
            _ => Some(record),
        }
    }

    fn write(&self, key: &Key, mut record: Record, now: Timestamp) {
        match (self.mistake, &mut record.state) {
            (Mistake::LeaseWithoutEnd, State::Running { lease_until, .. }) => {
                *lease_until = now.after(Duration::from_secs(1_000_000));
                record.expires_at = *lease_until;
            }
            (Mistake::FingerprintLost, State::Completed(_)) => record.fingerprint = None,
            (Mistake::AttemptsForgotten, State::Failed) => record.attempt = 0,
            (Mistake::AtMostOnceIgnored, _) => record.at_most_once = false,
            (Mistake::FenceFalls, _) if record.fence > 1_000_000 => {
                let row = self.read(key).filter(|row| !row.is_expired(now));
                record.fence = row.map_or(1, |row| row.fence + 1);
            }
            (Mistake::RetentionNotRenewed, State::Running { .. }) => {
                let found = self.read(key).filter(|found| found.owner == record.owner);
                record.expires_at = found.map_or(record.expires_at, |found| found.expires_at);
            }
            (Mistake::NeverForgets, _) => record.expires_at = now.after(Duration::MAX),
            _ => {}
        }
        self.records.lock().unwrap().insert(self.file(key), record);
    }

    async fn apply<V: Verb>(&self, key: &Key, verb: V) -> V::Answer {
        self.apply_later(key, verb, false).await
    }

    async fn apply_later<V: Verb>(&self, key: &Key, verb: V, later: bool) -> V::Answer {
        let now = self.clock.now();
        if self.mistake == Mistake::LockLeaks {
            while !self.locked.lock().unwrap().insert(self.file(key)) {
                tokio::task::yield_now().await;
            }
            tokio::task::yield_now().await;
            self.locked.lock().unwrap().remove(&self.file(key));
        }
        if later || self.mistake == Mistake::CheckThenAct {
            let found = self.read(key);
            let (change, answer) = transition(found.as_ref(), verb, now);
            tokio::task::yield_now().await;
            if let Change::Write(record) = change {
                self.write(key, record, now);
            }
            return answer;
        }
        let found = self.read(key);
        let (change, answer) = transition(found.as_ref(), verb, now);
        if let Change::Write(record) = change {
            self.write(key, record, now);
        }
        answer
    }

    fn owner(&self, key: &Key) -> Option<Owner> {
        self.read(key).map(|record| record.owner)
    }
}

#[async_trait]
impl Store for Broken {
    async fn claim(&self, key: &Key, claim: &Claim) -> Result<Claimed, StoreError> {
        let claim = match self.mistake {
            Mistake::AtMostOnceIgnored => claim.at_most_once(false),
            _ => *claim,
        };
        Ok(match self.apply(key, &claim).await {
            Claimed::Granted(grant) => {
                let fence = self.read(key).map_or(grant.fence, |record| record.fence);
                Claimed::Granted(Grant::new(fence, grant.attempt, grant.fingerprint, grant.after_unknown))
            }
            other => other,
        })
    }

    async fn renew(&self, key: &Key, owner: Owner) -> Result<Ownership, StoreError> {
        let owner = match self.mistake {
            Mistake::RenewedByAnybody => self.owner(key).unwrap_or(owner),
            _ => owner,
        };
        let later = self.mistake == Mistake::RenewalNotAtomic;
        Ok(self.apply_later(key, Renew::new(owner), later).await)
    }

    async fn finish(&self, key: &Key, finish: &Finish) -> Result<Ownership, StoreError> {
        let found = self.read(key);
        let mut finish = finish.clone();
        match self.mistake {
            Mistake::EndedByAnybody => finish.owner = self.owner(key).unwrap_or(finish.owner),
            Mistake::EndedByACopy => finish.fence = None,
            _ => {}
        }
        match (self.mistake, found, &finish.ending) {
            (Mistake::ResendingIsLost, Some(found), _) if !matches!(found.state, State::Running { .. }) => {
                return Ok(Ownership::Lost);
            }
            (Mistake::LastResultWins, Some(found), Ending::Completed(completion)) if found.owner == finish.owner => {
                let mut record = found;
                record.state = State::Completed(completion.clone());
                self.write(key, record, self.clock.now());
                return Ok(Ownership::Held);
            }
            _ => {}
        }
        Ok(self.apply(key, &finish).await)
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        Ok(self.read(key).filter(|record| !record.is_expired(self.clock.now())))
    }

    async fn settle(&self, key: &Key, settle: &Settle) -> Result<Settled, StoreError> {
        Ok(self.apply(key, settle.clone()).await)
    }

    async fn sweep(&self, limit: usize) -> Result<usize, StoreError> {
        let (now, mut swept) = (self.clock.now(), 0);
        self.records.lock().unwrap().retain(|_, record| {
            let failed = matches!(record.state, State::Failed | State::Unknown);
            let goes = record.is_expired(now) || (failed && self.mistake == Mistake::SweepsFailures);
            swept += usize::from(goes && swept < limit);
            !goes
        });
        Ok(swept)
    }
}

async fn report(mistake: Mistake) -> Report {
    let clock = Clock::new();
    let store = Broken { mistake, clock: clock.clone(), records: Mutex::default(), locked: Mutex::default() };
    Suite::new(store).clock(clock).short(Duration::from_millis(2)).run().await
}

/// The suite sees the mistake, in these cases at least.
async fn is_seen(mistake: Mistake, cases: &[&str]) {
    let report = report(mistake).await;
    for case in cases {
        assert!(report.has_failed(case), "{mistake:?} is not seen by {case}: {report}");
    }
    assert!(report.passed.len() > 20, "{mistake:?} is one mistake: {report}");
}

#[tokio::test]
async fn the_same_store_without_a_mistake_passes() {
    report(Mistake::None).await.assert();
    assert_eq!(Payload::from_bytes(&b""[..]).as_bytes(), b"");
}

macro_rules! broken {
    ($($name:ident: $mistake:ident, $($case:ident)*;)*) => {$(
        #[tokio::test]
        async fn $name() {
            is_seen(Mistake::$mistake, &[$(stringify!($case)),*]).await;
        }
    )*};
}

broken! {
    check_then_act: CheckThenAct, of_64_claims_at_once_one_is_granted of_64_take_overs_at_once_one_is_granted;
    ended_by_anybody: EndedByAnybody, a_stranger_ends_nothing a_former_owner_ends_nothing_while_the_next_one_runs
        of_64_endings_at_once_only_the_owners_lands;
    ended_by_a_copy: EndedByACopy, a_copy_of_an_ending_ends_no_other_run_of_its_token;
    renewed_by_anybody: RenewedByAnybody, a_stranger_keeps_nothing
        a_lapsed_owner_keeps_its_key_until_somebody_takes_over;
    lease_without_end: LeaseWithoutEnd, a_lapsed_lease_counts_as_an_unknown_outcome a_claim_is_kept_for_lease_and_ttl;
    fingerprint_lost: FingerprintLost, done_for_another_request_is_reused the_fingerprint_is_kept_to_the_end;
    falsy_lost: FalsyLost, an_empty_result_is_a_result;
    lossy_keys: LossyKeys, hostile_keys_do_not_meet bytes_that_are_no_text_do_not_meet;
    fence_falls: FenceFalls, fences_rise_with_every_owner;
    attempts_forgotten: AttemptsForgotten, failed_is_granted_as_the_next_attempt;
    at_most_once_ignored: AtMostOnceIgnored, unknown_at_most_once_is_refused
        at_most_once_is_not_forgotten_by_a_later_attempt a_lapsed_lease_at_most_once_is_refused;
    resending_is_lost: ResendingIsLost, an_ending_sent_again_is_held_and_changes_nothing
        whatever_is_asked_the_answer_is_transitions;
    never_forgets: NeverForgets, a_result_is_forgotten_after_its_ttl_and_not_before failures_are_forgotten_after_the_ttl;
    last_result_wins: LastResultWins, done_stays_done;
    renewal_not_atomic: RenewalNotAtomic, a_renewal_does_not_undo_the_end;
    retention_not_renewed: RetentionNotRenewed, a_renewed_claim_outlives_its_first_retention;
    keys_cut: KeysCut, keys_of_many_parts_do_not_meet;
    lock_leaks: LockLeaks, a_verb_that_is_dropped_half_way_may_be_sent_again;
    sweeps_failures: SweepsFailures, sweeping_takes_nothing_that_is_not_over;
}
