//! Where a world is played: its one record, what was sent to it, and what is written down of it all.

use std::future::{poll_fn, Future};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use idem::{transition, Change, Record, Renew, Timestamp, Verb};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::history::{Ask, Event, Happened, Said};
use crate::world::{Fate, What, Wire, World, OUTAGE, STRAY};

pub(crate) type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The process that the store's own tasks belong to.
pub(crate) const STORE: usize = usize::MAX;
/// What the store's clock shows when a world begins, in microseconds.
const START: u64 = 1_700_000_000_000_000;

pub(crate) struct Stage {
    pub(crate) world: World,
    pub(crate) began: Instant,
    pub(crate) news: Notify,
    state: Mutex<State>,
}

pub(crate) struct State {
    pub(crate) events: Vec<Event>,
    pub(crate) record: Option<Record>,
    /// The process and the call that are being polled.
    pub(crate) here: (usize, usize),
    /// What was spawned since the executor last looked.
    pub(crate) spawned: Vec<(usize, usize, Task)>,
    pub(crate) runs: usize,
    pub(crate) effects: usize,
    /// Which processes are stopped, and until when.
    pub(crate) naps: Vec<(usize, Instant)>,
    /// Whether things still happen.
    pub(crate) open: bool,
    /// The world is over: nothing reaches the store or the history.
    pub(crate) muted: bool,
    /// Which of what was to happen has.
    pub(crate) fired: Vec<bool>,
    /// Whether it mattered what becomes of requests whose sender is gone.
    pub(crate) wired: bool,
    sent: Vec<Sent>,
    outage: Option<(Fate, Instant)>,
}

/// A verb on its way.
struct Sent {
    node: usize,
    call: usize,
    ask: Ask,
    said: Option<Said>,
    /// Whoever sent it is there, and nothing else was decided of it.
    waits: bool,
}

impl Stage {
    pub(crate) fn new(world: World) -> Arc<Self> {
        let fired = vec![false; world.whats.len()];
        Arc::new(Self {
            world,
            began: Instant::now(),
            news: Notify::new(),
            state: Mutex::new(State {
                events: Vec::with_capacity(128),
                record: None,
                here: (STORE, STORE),
                spawned: Vec::new(),
                runs: 0,
                effects: 0,
                naps: Vec::new(),
                open: true,
                muted: false,
                fired,
                wired: false,
                sent: Vec::new(),
                outage: None,
            }),
        })
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_micros(START).after(self.began.elapsed())
    }

    /// The call that is being polled.
    pub(crate) fn call(&self) -> usize {
        self.state().here.1
    }

    /// Writes down what happens where something is being polled.
    pub(crate) fn note(&self, what: Happened) {
        let (node, call) = self.state().here;
        self.note_of(node, call, what);
    }

    pub(crate) fn note_of(&self, node: usize, call: usize, what: Happened) {
        let at = self.began.elapsed();
        let mut state = self.state();
        if !state.muted {
            state.events.push(Event { at, node, call, what });
        }
    }

    /// Whether this is to happen now; it happens once.
    pub(crate) fn fires(&self, which: impl Fn(What) -> bool) -> Option<What> {
        let mut state = self.state();
        let at = self.world.whats.iter().position(|what| which(*what))?;
        let fired = state.fired.get_mut(at)?;
        (!std::mem::replace(fired, true)).then(|| self.world.whats[at])
    }

    /// A verb is sent.
    pub(crate) fn send(&self, node: usize, ask: &Ask) -> (usize, Option<Fate>) {
        let mut state = self.state();
        let (call, verb) = (state.here.1, state.sent.len());
        let open = state.open;
        state.sent.push(Sent { node, call, ask: ask.clone(), said: None, waits: true });
        drop(state);
        self.note_of(node, call, Happened::Sent(verb, ask.clone()));
        let outage = self.state().outage.filter(|(_, until)| Instant::now() < *until);
        if let Some((fate, _)) = outage {
            return (verb, Some(fate));
        }
        if !open {
            return (verb, None);
        }
        match self.fires(|what| matches!(what, What::Verb(at, _) | What::Outage(at, _) if at == verb)) {
            Some(What::Verb(_, fate)) => (verb, Some(fate)),
            Some(What::Outage(_, fate)) => {
                self.state().outage = Some((fate, Instant::now() + OUTAGE));
                (verb, Some(fate))
            }
            _ => (verb, None),
        }
    }

    /// A verb reaches the record, for the first time; later it only answers.
    pub(crate) fn apply(&self, verb: usize) -> Option<Said> {
        let said = self.state().sent.get(verb)?.said.clone();
        said.or_else(|| self.apply_again(verb))
    }

    /// A verb reaches the record.
    pub(crate) fn apply_again(&self, verb: usize) -> Option<Said> {
        let (now, at) = (self.now(), self.began.elapsed());
        let mut state = self.state();
        if state.muted {
            return None;
        }
        let before = state.record.clone();
        let Sent { node, call, ask, .. } = state.sent.get(verb)?;
        let (node, call, ask) = (*node, *call, ask.clone());
        let (after, said) = match &ask {
            Ask::Claim(claim) => applied(&before, claim, now, Said::Claimed),
            Ask::Renew(owner) => applied(&before, Renew::new(*owner), now, Said::Held),
            Ask::Finish(finish) => applied(&before, finish, now, Said::Held),
        };
        state.record.clone_from(&after);
        state.sent.get_mut(verb)?.said = Some(said.clone());
        let what = Happened::Applied { verb, ask, before, after };
        state.events.push(Event { at, node, call, what });
        drop(state);
        self.news.notify_waiters();
        Some(said)
    }

    /// What becomes of a verb is decided: it is not the wire's any more.
    pub(crate) fn settled(&self, verb: usize) {
        if let Some(sent) = self.state().sent.get_mut(verb) {
            sent.waits = false;
        }
    }

    /// Whoever sent a verb is gone, or does nothing for a while.
    pub(crate) fn unattended(self: &Arc<Self>, verb: usize) {
        let mut state = self.state();
        let Some(sent) = state.sent.get(verb).filter(|sent| sent.waits && sent.said.is_none()) else {
            return;
        };
        let call = sent.call;
        state.wired = true;
        drop(state);
        match self.world.wire {
            Wire::Lost => {}
            Wire::Arrives => drop(self.apply(verb)),
            Wire::Strays => self.later(call, STRAY, move |stage| drop(stage.apply(verb))),
        }
    }

    /// The same of all verbs of a process.
    pub(crate) fn unattended_of(self: &Arc<Self>, node: usize) {
        let verbs = self.state().sent.len();
        let of = |verb: &usize| self.state().sent.get(*verb).is_some_and(|sent| sent.node == node);
        (0..verbs).filter(of).for_each(|verb| self.unattended(verb));
    }

    /// Does something in the store's own time.
    pub(crate) fn later(self: &Arc<Self>, call: usize, after: Duration, what: impl FnOnce(&Self) + Send + 'static) {
        let (stage, until) = (Arc::clone(self), Instant::now() + after);
        let task = Box::pin(async move {
            tokio::time::sleep_until(until).await;
            what(&stage);
        });
        self.state().spawned.push((STORE, call, task));
    }
}

fn applied<V: Verb>(
    before: &Option<Record>,
    verb: V,
    now: Timestamp,
    said: impl FnOnce(V::Answer) -> Said,
) -> (Option<Record>, Said) {
    let (change, answer) = transition(before.as_ref(), verb, now);
    let after = match change {
        Change::Keep => before.clone(),
        Change::Write(record) => Some(record),
    };
    (after, said(answer))
}

/// A pause of one poll.
pub(crate) async fn breath() {
    let mut paused = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut paused, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// A panic that is part of the world, and that nobody is told of.
pub(crate) struct Scripted;

pub(crate) fn panics() -> ! {
    std::panic::resume_unwind(Box::new(Scripted))
}
