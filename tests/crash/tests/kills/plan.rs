//! What is to happen to a key, and what must come of it.

use std::fmt;
use std::time::Duration;

use idem_store_tests::Place;

use crate::scene::{Blow, How, Policy, Scene, Spot};

/// A key's story.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) place: Place,
    pub(crate) policy: Policy,
    /// The processes that come to grief over it, one after the other. All but the last are killed.
    pub(crate) strikes: Vec<Strike>,
    /// Who retries at once, and does not want to wait.
    pub(crate) impatient: bool,
    /// Whether a new process asks last.
    pub(crate) newcomer: bool,
    pub(crate) guarded: bool,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Strike {
    pub(crate) at: At,
    pub(crate) blow: Blow,
    pub(crate) hard: bool,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum At {
    Point(Scene),
    /// So long after its call began, each part of which takes at least its pace.
    Moment {
        after: Duration,
        pace: Duration,
    },
}

/// What is known of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    Nothing,
    /// An attempt's outcome is unknown.
    Unknown,
    Done,
}

/// What the first ones must be answered who ask when all has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Race {
    /// One of them runs it.
    Runs,
    /// One of them finds it.
    Finds,
    Replays,
    Indeterminate,
}

/// What must come of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Must {
    /// How often it is done, in the end.
    pub(crate) effects: usize,
    /// Of those who ask while a stopped process stands still, or else when all is over.
    pub(crate) race: Race,
    /// Whether the recorded result is the last victim's own. `None`: it is neither's own, or either's.
    pub(crate) victims: Option<bool>,
    /// Which attempt the recorded result is of, where nothing was withdrawn.
    pub(crate) attempt: Option<u32>,
}

impl Case {
    /// Where the points after those strikes can be, as far as the story is known.
    pub(crate) fn known(&self) -> Option<(Known, usize)> {
        let (mut known, mut effects) = (Known::Nothing, 0);
        for strike in &self.strikes {
            let At::Point(scene) = strike.at else { return None };
            let facts = scene.facts();
            effects += usize::from(facts.acted);
            known = match known {
                _ if facts.recorded => Known::Done,
                _ if facts.claimed => Known::Unknown,
                as_before => as_before,
            };
        }
        Some((known, effects))
    }

    /// `None`, if it is left to chance.
    pub(crate) fn must(&self) -> Option<Must> {
        use Policy::{Again, Ask, Once};
        let (known, acted) = self.known()?;
        let claims = self.claims();
        let last = self.strikes.last()?;
        let At::Point(Scene { how, spot }) = last.at else { return None };
        // Its body goes on, and does not know better.
        let goes_on = usize::from(matches!(spot, Spot::Begun | Spot::Granted));
        let must = |effects, race, victims, attempt| Some(Must { effects, race, victims, attempt });
        // It ends as if nothing had happened, or calls again after it was dropped, when nobody else has yet.
        if last.blow == Blow::Sleep {
            let others = acted - usize::from(Scene { how, spot }.facts().acted);
            return match self.policy {
                Again if how == How::Dropped => must(acted + 1, Race::Replays, Some(true), None),
                Again => must(others + 1, Race::Replays, Some(true), None),
                Once if how == How::Dropped => must(1, Race::Indeterminate, None, None),
                // Its own second call may meet its first one's claim, which was to be withdrawn.
                Once | Ask => must(1, Race::Replays, None, None),
            };
        }
        match (known, self.policy) {
            (Known::Done, _) => must(acted, Race::Replays, (how != How::Asking).then_some(true), None),
            (Known::Nothing, _) => must(acted + 1, Race::Runs, Some(false), Some(1)),
            (Known::Unknown, Again) => {
                let more = if last.blow == Blow::Stop { goes_on } else { 0 };
                must(acted + 1 + more, Race::Runs, Some(false), Some(claims + 1))
            }
            (Known::Unknown, Once) => must(1, Race::Indeterminate, None, None),
            (Known::Unknown, Ask) if acted == 0 => must(1, Race::Runs, Some(false), Some(claims + 1)),
            (Known::Unknown, Ask) => must(1, Race::Finds, None, None),
        }
    }

    /// How many claims were granted.
    fn claims(&self) -> u32 {
        let claimed = |strike: &&Strike| matches!(strike.at, At::Point(scene) if scene.facts().claimed);
        u32::try_from(self.strikes.iter().filter(claimed).count()).unwrap()
    }

    /// Every point: killed and stopped there on each store, and put to sleep on one of them.
    pub(crate) fn every() -> Vec<Self> {
        let (mut cases, mut n) = (Vec::new(), 0);
        for (&policy, &blow) in Policy::ALL.iter().flat_map(|policy| Blow::ALL.iter().map(move |blow| (policy, blow))) {
            let mut add = |before: Option<Spot>, scene| {
                n += 1;
                let before = before.map(|spot| (Scene::new(How::Awaited, spot), Blow::Kill));
                let scenes = before.into_iter().chain([(scene, blow)]);
                let places = [Place::Sqlite, Place::Redis, Place::Postgres];
                for (which, place) in places.into_iter().enumerate() {
                    if blow == Blow::Sleep && which != n % places.len() {
                        continue;
                    }
                    let hard = n % 2 == 0;
                    let strikes = scenes.clone().map(|(scene, blow)| Strike { at: At::Point(scene), blow, hard });
                    let (strikes, newcomer) = (strikes.collect(), n % 8 == 0);
                    cases.push(Self { place, policy, strikes, impatient: n % 4 < 2, newcomer, guarded: true });
                }
            };
            for scene in Scene::all() {
                add(None, scene);
            }
            if policy == Policy::Ask {
                for scene in Scene::asking() {
                    add(Some(Spot::Done), scene);
                    if matches!(scene.spot, Spot::AskBegun | Spot::AskLooked) {
                        add(Some(Spot::Begun), scene);
                    }
                }
            }
        }
        cases
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?}:", self.place, self.policy)?;
        for Strike { at, blow, hard } in &self.strikes {
            match at {
                At::Point(scene) => write!(f, " {blow:?} at {scene}{}", if *hard { " (hard)" } else { "" })?,
                At::Moment { after, pace } => write!(f, " {blow:?} after {after:?} (pace {pace:?})")?,
            }
        }
        Ok(())
    }
}
