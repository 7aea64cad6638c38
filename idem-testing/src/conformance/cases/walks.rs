//! Whatever is asked, in whatever order, sent twice or not: the store answers as `transition` does.

use idem_core::{
    transition, Change, Claim, Claimed, Completion, Ending, Fingerprint, Finish, Owner, Ownership, Record, Renew,
    Timestamp,
};

use crate::conformance::case::{cases, completed, holds, print, same, LIVE, TTL};

/// The parts of an answer that do not depend on the time.
#[derive(Debug, PartialEq)]
enum Told {
    Granted(u32, Option<Fingerprint>, bool),
    Completed(Option<Fingerprint>, Completion),
    Running(Option<Fingerprint>),
    Unknown(u32),
    Reused,
    Other,
}

fn told(answer: &Claimed) -> Told {
    match answer {
        Claimed::Granted(grant) => Told::Granted(grant.attempt, grant.fingerprint, grant.after_unknown),
        Claimed::Completed(done) => Told::Completed(done.fingerprint, done.completion.clone()),
        Claimed::Running { fingerprint, .. } => Told::Running(*fingerprint),
        Claimed::Indeterminate { attempt, .. } => Told::Unknown(*attempt),
        Claimed::Reused => Told::Reused,
        _ => Told::Other,
    }
}

/// What the store is judged by.
#[derive(Default)]
struct Model(Option<Record>);

impl Model {
    fn apply<V: idem_core::Verb>(&mut self, verb: V) -> V::Answer {
        let (change, answer) = transition(self.0.as_ref(), verb, Timestamp::from_micros(1));
        if let Change::Write(record) = change {
            self.0 = Some(record);
        }
        answer
    }

    /// The fence of its last run.
    fn fence(&self) -> u64 {
        self.0.as_ref().map_or(0, |record| record.fence)
    }
}

/// xorshift64*, so that a walk can be walked again.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % sides
    }
}

cases! {
    async fn whatever_is_asked_the_answer_is_transitions(case) {
        for seed in 1..=12_u64 {
            let (key, mut model, mut dice, mut fence) = (case.key_of(seed)?, Model::default(), Dice(seed * 0x9e37), 0);
            let mut owners = [Owner::random(), Owner::random(), Owner::random()];
            for step in 0..50 {
                let here = || format!("walk {seed}, step {step}");
                let which = dice.roll(3) as usize;
                let Some(slot) = owners.get_mut(which) else { continue };
                if dice.roll(4) == 0 {
                    *slot = Owner::random();
                }
                let owner = *slot;
                match dice.roll(8) {
                    0..=3 => {
                        let fingerprint = [None, print(1), print(1), print(2)].get(dice.roll(4) as usize).copied().flatten();
                        let claim = Claim::new(owner, LIVE, TTL)
                            .fingerprint(fingerprint)
                            .at_most_once(dice.roll(5) == 0)
                            .reconciling(dice.roll(5) == 0);
                        let right = model.apply(&claim);
                        for _ in 0..=dice.roll(2) {
                            let seen = case.claim(&key, &claim).await?;
                            same(&here(), told(&seen), told(&right))?;
                            if let Claimed::Granted(grant) = seen {
                                holds(grant.fence >= fence, || format!("{}: the fence fell", here()))?;
                                fence = grant.fence;
                            }
                        }
                    }
                    4 => same(&here(), case.renew(&key, owner).await?, model.apply(Renew::new(owner)))?,
                    roll => {
                        let ending = match (roll, dice.roll(4)) {
                            (5, 0) => completed(b"result"),
                            (5, _) => Ending::Failed,
                            (6, _) => Ending::Unknown,
                            _ => Ending::Withdrawn,
                        };
                        // Of any run, of the last one, of none that ever was. The model's fences are its own.
                        let (its, models) = match dice.roll(3) {
                            0 => (None, None),
                            1 => (Some(fence), Some(model.fence())),
                            _ => (Some(0), Some(0)),
                        };
                        let right: Ownership = model.apply(&Finish::new(owner, ending.clone()).fence(models));
                        let finish = Finish::new(owner, ending).fence(its);
                        for _ in 0..=dice.roll(2) {
                            same(&here(), case.store().finish(&key, &finish).await?, right)?;
                        }
                    }
                }
            }
        }
    }
}
