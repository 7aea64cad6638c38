//! Holds a history against the contract: its laws, and both its tables. It knows nothing of the engine.

mod answers;
mod bodies;
mod endings;
mod last;
mod table;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use idem::{Claim, Fingerprint, Finish, Owner, Payload, Record, State, Timestamp};

use crate::calls::print;
use crate::history::{Answer, Ask, End, Event, Found, Happened};
use crate::path::{By, Path};
use crate::play::Played;
use crate::world::{Fate, What, World};

/// What the codec wrote, behind version, codec, side and checksum.
pub(super) fn content(payload: &Payload) -> &[u8] {
    payload.as_bytes().get(11..).unwrap_or_default()
}

/// All that is wrong with a world.
pub(crate) fn judge(world: &World, played: &Played, alone: Option<Duration>) -> Vec<String> {
    let mut judge = Judge {
        world,
        path: world.path,
        alone,
        record: played.before.clone(),
        calls: BTreeMap::new(),
        runs: Vec::new(),
        owners: HashMap::new(),
        crashed: HashSet::new(),
        stopped: HashSet::new(),
        quiet: false,
        fence: played.before.as_ref().map_or(0, |record| record.fence),
        at: Duration::ZERO,
        wrong: Vec::new(),
    };
    for event in &played.events {
        judge.see(event);
    }
    judge.last(played);
    judge.wrong
}

pub(super) struct Judge<'a> {
    world: &'a World,
    path: Path,
    /// How long the first call takes when nothing happens.
    alone: Option<Duration>,
    record: Option<Record>,
    calls: BTreeMap<usize, Call>,
    runs: Vec<Run>,
    /// Which call each token is of.
    owners: HashMap<Owner, usize>,
    crashed: HashSet<usize>,
    /// Processes that were stopped, now or before.
    stopped: HashSet<usize>,
    /// No process has anything left to do.
    quiet: bool,
    fence: u64,
    at: Duration,
    wrong: Vec<String>,
}

/// A call, as far as it came.
pub(super) struct Call {
    node: usize,
    waits: bool,
    other: bool,
    began: Duration,
    /// What a retry must come to by the first table, if nobody else is there.
    must: Option<table::Must>,
    run: Option<usize>,
    ask: Option<Asking>,
    over: Option<Answer>,
    /// When it was over, or left.
    until: Option<Duration>,
    left: bool,
    /// How many claims it sent.
    claims: usize,
    /// The last one, and whether its answer came.
    claim: Option<(usize, Claim, bool)>,
    /// The store said that somebody else has the key.
    heard: bool,
    /// The store's last answer to a claim of its said so.
    owned: bool,
    /// The store said of its last claim that an attempt's outcome is unknown.
    open: bool,
    granted: bool,
    /// An ending of it is on its way, and was not answered.
    landing: bool,
    finish: Option<usize>,
    /// The store would not have a result of it.
    refused: bool,
    /// It gave the key back, for its body will not run.
    withdrew: bool,
    /// What the answers to its verbs will say.
    told: BTreeMap<usize, Told>,
    /// The record as it was when the last verb was applied whose answer it heard.
    knew: Option<Record>,
}

/// What the store says to a verb: the record, whether somebody else has the key, and whether an attempt's outcome is unknown.
pub(super) struct Told {
    record: Option<Record>,
    live: bool,
    open: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Asking {
    Going,
    Gone,
    Found(Found),
}

/// A body that ran.
pub(super) struct Run {
    call: usize,
    node: usize,
    guarded: bool,
    fence: u64,
    end: Option<End>,
    /// When it began; once it has ended, when that was.
    at: Duration,
    gone: bool,
}

impl Run {
    /// Whether it is in the middle of something.
    fn is_going(&self) -> bool {
        self.end.is_none() && !self.gone
    }
}

impl Judge<'_> {
    fn wrong(&mut self, what: impl Into<String>) {
        let at = self.at;
        self.wrong.push(format!("{at:?}: {}", what.into()));
    }

    fn see(&mut self, event: &Event) {
        self.at = event.at;
        let (node, call) = (event.node, event.call);
        match &event.what {
            Happened::Calls { waits, other } => self.calls(node, call, *waits, *other),
            Happened::Sent(verb, ask) => self.sent(call, *verb, ask),
            Happened::Applied { verb, ask, before, after } => {
                self.applied(call, ask, before.as_ref(), after.as_ref());
                self.record.clone_from(after);
                self.told(call, *verb, ask, before.as_ref());
            }
            Happened::Answered(verb, ok) => self.answered(call, *verb, *ok),
            Happened::Begins { fence, attempt } => self.begins(node, call, *fence, *attempt),
            Happened::Ends(run, end) => {
                self.has_its_key(*run);
                if let Some(run) = self.runs.get_mut(*run) {
                    (run.end, run.at) = (Some(end.clone()), self.at);
                }
            }
            Happened::Gone(run) => {
                if let Some(run) = self.runs.get_mut(*run) {
                    run.gone = true;
                }
                self.gone(call);
            }
            Happened::Asks { fence } => self.asks(call, *fence),
            Happened::Found(found) => self.asked(call, Asking::Found(found.clone())),
            Happened::AskGone => self.asked(call, Asking::Gone),
            Happened::Over(answer) => self.over(call, answer),
            Happened::Left => {
                if let Some(call) = self.calls.get_mut(&call) {
                    (call.left, call.until) = (true, Some(event.at));
                }
            }
            Happened::Crashed => drop(self.crashed.insert(node)),
            Happened::Stopped => drop(self.stopped.insert(node)),
            Happened::Woken | Happened::Effect => {}
            Happened::Quiet => {
                self.quiet = true;
                self.success_is_recorded();
            }
        }
        if !matches!(event.what, Happened::Quiet) {
            self.quiet &= matches!(event.what, Happened::Woken);
        }
    }

    fn calls(&mut self, node: usize, call: usize, waits: bool, other: bool) {
        // Only where nobody else does anything is it known what a call comes to.
        let calm = call == 0 && self.world.whats.is_empty() && self.world.second.is_none();
        let must = (calm || self.quiet && call > 1).then(|| self.must(other));
        if call > 1 && !self.quiet && self.world.whats.len() < 2 && !self.is_hard() && self.stopped.is_empty() {
            self.wrong("something still goes on, a lease after all calls were over");
        }
        let entry = Call {
            node,
            waits,
            other,
            began: self.at,
            must,
            run: None,
            ask: None,
            over: None,
            until: None,
            left: false,
            claims: 0,
            claim: None,
            heard: false,
            owned: false,
            open: false,
            granted: false,
            landing: false,
            finish: None,
            refused: false,
            withdrew: false,
            told: BTreeMap::new(),
            knew: None,
        };
        self.calls.insert(call, entry);
    }

    fn asked(&mut self, call: usize, ask: Asking) {
        if let Some(call) = self.calls.get_mut(&call) {
            call.ask = Some(ask);
        }
    }

    /// What the answer to a verb will say. A copy of it that comes later is answered to nobody.
    fn told(&mut self, id: usize, verb: usize, ask: &Ask, before: Option<&Record>) {
        let theirs = before.filter(|before| before.owner != ask.owner());
        let live = theirs.is_some_and(|before| self.is_live(before));
        let open = theirs.is_some_and(|before| match before.state {
            State::Unknown => true,
            State::Running { .. } => !live,
            _ => false,
        });
        let told = Told { record: self.record.clone(), live, open };
        if let Some(call) = self.calls.get_mut(&id) {
            call.told.entry(verb).or_insert(told);
        }
    }

    fn answered(&mut self, id: usize, verb: usize, ok: bool) {
        let Some(call) = self.calls.get_mut(&id).filter(|_| ok) else { return };
        // Only claims and endings have anything to say, but a renewal may be answered in between.
        call.landing &= call.finish != Some(verb);
        let Some(told) = call.told.remove(&verb) else { return };
        if let Some((_, _, is_answered)) = call.claim.as_mut().filter(|(sent, ..)| *sent == verb) {
            *is_answered = true;
            call.heard |= told.live;
            (call.owned, call.open) = (told.live, told.open);
        }
        call.knew = told.record;
    }

    /// The store's clock.
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(1_700_000_000_000_000).after(self.at)
    }

    fn has_prints(&self) -> bool {
        self.path.prints || self.path.by == By::Macro
    }

    fn print(&self, other: bool) -> Option<Fingerprint> {
        self.has_prints().then(|| Fingerprint::of(print(other)).ok()).flatten()
    }

    /// Whether more went wrong than the engine promises to bear while it keeps a key: two troubles, or a long one.
    fn is_hard(&self) -> bool {
        let verbs = self.world.whats.iter().filter(|what| matches!(what, What::Verb(_, fate) if *fate != Fate::Twice));
        verbs.count() > 1 || self.world.whats.iter().any(|what| matches!(what, What::Outage(..)))
    }

    /// Whether a verb met one of these.
    fn has_fate(&self, which: impl Fn(Fate) -> bool) -> bool {
        self.world.whats.iter().any(|what| matches!(what, What::Verb(_, fate) | What::Outage(_, fate) if which(*fate)))
    }

    fn is_live(&self, record: &Record) -> bool {
        matches!(record.state, State::Running { lease_until, .. } if lease_until > self.now())
    }

    /// Whether a process was there all the time.
    fn is_well(&self, node: usize) -> bool {
        !self.crashed.contains(&node) && !self.stopped.contains(&node)
    }

    /// Whether this owner is of a run that ended with something that must be recorded.
    fn is_done(&self, run: &Run) -> bool {
        match &run.end {
            Some(End::Ok(value)) => value.yes,
            Some(End::Err(fault)) => matches!(fault, crate::history::Fault::Recorded(_)),
            None => false,
        }
    }

    fn sent(&mut self, call: usize, verb: usize, ask: &Ask) {
        let owner = ask.owner();
        if *self.owners.entry(owner).or_insert(call) != call {
            self.wrong(format!("call {call} uses a token of another one"));
        }
        match ask {
            Ask::Claim(claim) => self.claims(call, verb, claim),
            Ask::Renew(_) => self.renews(call),
            Ask::Finish(Finish { ending, .. }) => {
                self.ends(call, ending);
                if let Some(call) = self.calls.get_mut(&call) {
                    (call.landing, call.finish) = (true, Some(verb));
                }
            }
        }
    }
}
