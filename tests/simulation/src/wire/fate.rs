//! What becomes of a message.

use idem::StoreError;

use super::Inner;

/// A kind of trouble on the way to the store. The numbers are percents, and milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing arrives.
    Cut,
    /// Requests or answers are lost.
    Loses(u64),
    /// Requests arrive once more, up to so much later.
    Doubles(u64, u64),
    /// Everything takes up to so long.
    Slow(u64),
    /// Connections break: the request may have arrived.
    Resets(u64),
    /// Connections are refused: nothing arrived.
    Refuses(u64),
    /// Requests arrive up to so late, when nobody waits for their answer.
    Late(u64, u64),
    /// The store takes no more results.
    Full,
}

/// Trouble of one place, or of all, for a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Troubled {
    /// Whose connections; all when it is not said.
    pub slot: Option<u32>,
    /// What it is.
    pub trouble: Trouble,
    /// When it is over.
    pub until: u64,
}

/// Delays until a request arrives, its answer comes back, it arrives once more, and its sender is told of a failure.
#[derive(Debug, Default)]
pub(super) struct Fate {
    pub(super) there: Option<u64>,
    pub(super) back: Option<u64>,
    pub(super) again: Option<u64>,
    pub(super) failure: Option<(u64, StoreError)>,
}

impl Inner {
    pub(super) fn fate(&mut self, slot: u32) -> Fate {
        let now = self.now();
        self.troubles.retain(|troubled| now < troubled.until);
        let mine = |troubled: &&Troubled| troubled.slot.is_none_or(|other| other == slot);
        let troubles: Vec<_> = self.troubles.iter().filter(mine).map(|troubled| troubled.trouble).collect();
        let (latency, dice) = (self.latency, &mut self.dice);
        let (there, back) = (dice.below(latency + 1), dice.below(latency + 1));
        let mut fate = Fate { there: Some(there), back: Some(back), ..Fate::default() };
        for trouble in troubles {
            match trouble {
                Trouble::Cut => return Fate::default(),
                Trouble::Loses(percent) if dice.chance(percent) => {
                    if dice.chance(50) {
                        fate.there = None;
                    } else {
                        fate.back = None;
                    }
                }
                Trouble::Doubles(percent, most) if dice.chance(percent) => fate.again = Some(dice.below(most + 1)),
                Trouble::Slow(most) => {
                    fate.there = fate.there.map(|there| there + dice.below(most + 1));
                    fate.back = fate.back.map(|back| back + dice.below(most + 1));
                }
                Trouble::Resets(percent) if dice.chance(percent) => {
                    fate.there = fate.there.filter(|_| dice.chance(60));
                    fate.back = None;
                    fate.failure = Some((dice.below(2 * latency + 2), StoreError::unknown("connection reset")));
                }
                Trouble::Refuses(percent) if dice.chance(percent) => {
                    let error = StoreError::not_applied("connection refused");
                    return Fate { failure: Some((dice.below(latency + 1), error)), ..Fate::default() };
                }
                Trouble::Late(percent, most) if dice.chance(percent) => fate.there = Some(dice.below(most + 1)),
                _ => {}
            }
        }
        fate
    }
}
