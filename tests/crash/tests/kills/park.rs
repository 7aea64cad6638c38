//! Where a victim says that it has come to its point, and waits for what is to happen to it.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use idem_store_tests::say;
use tokio::sync::{watch, Notify};

use crate::scene::{How, Scene, Spot};

/// A clone is the same.
#[derive(Debug, Clone)]
pub(crate) struct Park(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// `None` is a call that is struck at any moment.
    scene: Option<Scene>,
    /// Whether its thread stands still with it, so that no timer runs over it.
    hard: bool,
    /// How long each part of the call takes at least.
    pace: Duration,
    hit: AtomicBool,
    gone: watch::Sender<bool>,
    woken: (Mutex<bool>, Condvar),
    leaves: Notify,
    left: watch::Sender<bool>,
    answered: AtomicBool,
    landed: AtomicBool,
    granted: AtomicBool,
}

impl Park {
    pub(crate) fn new(scene: Option<Scene>, hard: bool, pace: Duration) -> Self {
        Self(Arc::new(Inner {
            scene,
            hard,
            pace,
            hit: AtomicBool::new(false),
            gone: watch::Sender::new(false),
            woken: Default::default(),
            leaves: Notify::new(),
            left: watch::Sender::new(false),
            answered: AtomicBool::new(false),
            landed: AtomicBool::new(false),
            granted: AtomicBool::new(false),
        }))
    }

    pub(crate) fn how(&self) -> How {
        self.0.scene.map_or(How::Awaited, |scene| scene.how)
    }

    /// Stands still here if this is the point.
    pub(crate) async fn at(&self, spot: Spot) {
        if !self.0.pace.is_zero() {
            tokio::time::sleep(self.0.pace).await;
        }
        if self.comes_to(spot) {
            self.stand().await;
        }
    }

    /// The same for code that is not async.
    pub(crate) fn block_at(&self, spot: Spot) {
        if self.comes_to(spot) {
            self.block();
        }
    }

    fn comes_to(&self, spot: Spot) -> bool {
        let here = self.0.scene.is_some_and(|scene| scene.spot == spot) && !self.0.hit.swap(true, SeqCst);
        if here {
            say("at");
        }
        here
    }

    async fn stand(&self) {
        if self.0.hard {
            self.block();
        } else {
            self.gone().await;
        }
    }

    fn block(&self) {
        let (woken, news) = &self.0.woken;
        drop(news.wait_while(woken.lock().unwrap(), |woken| !*woken).unwrap());
    }

    /// Waits until it may go on.
    pub(crate) async fn gone(&self) {
        self.0.gone.subscribe().wait_for(|gone| *gone).await.unwrap();
    }

    pub(crate) fn go(&self) {
        let (woken, news) = &self.0.woken;
        *woken.lock().unwrap() = true;
        news.notify_all();
        self.0.gone.send_replace(true);
    }

    /// Where a verb sets out. One that stands still is not to be sent again meanwhile: it would be past its point.
    pub(crate) async fn verb(&self, unsent: Spot) {
        // The first poll of a call that is dropped asks whether the store answers at once, and goes away again.
        tokio::task::yield_now().await;
        let in_a_verb = self.0.scene.is_some_and(|scene| {
            !matches!(scene.spot, Spot::Begun | Spot::Done | Spot::AskBegun | Spot::AskLooked | Spot::Spawned)
        });
        if in_a_verb && self.0.hit.load(SeqCst) {
            self.gone().await;
        }
        self.at(unsent).await;
    }

    /// Has the caller leave, and waits until it has.
    pub(crate) async fn leave(&self) {
        let mut left = self.0.left.subscribe();
        self.0.leaves.notify_one();
        left.wait_for(|left| *left).await.unwrap();
    }

    /// Waits until the caller is to leave.
    pub(crate) async fn leaves(&self) {
        self.0.leaves.notified().await;
    }

    pub(crate) fn left(&self) {
        self.0.left.send_replace(true);
    }

    pub(crate) fn has_left(&self) -> bool {
        *self.0.left.borrow()
    }

    /// The caller has its answer.
    pub(crate) fn answered(&self) {
        self.0.answered.store(true, SeqCst);
    }

    pub(crate) fn has_answered(&self) -> bool {
        self.0.answered.load(SeqCst)
    }

    /// The key is the call's.
    pub(crate) fn granted(&self) {
        self.0.granted.store(true, SeqCst);
    }

    pub(crate) fn was_granted(&self) -> bool {
        self.0.granted.load(SeqCst)
    }

    /// The store has answered that an ending is so, or what is recorded in its place: the caller must not be told otherwise.
    pub(crate) fn landed(&self) {
        self.0.landed.store(true, SeqCst);
    }

    pub(crate) fn has_landed(&self) -> bool {
        self.0.landed.load(SeqCst)
    }

    /// Whether the body waits here until its lease is renewed.
    pub(crate) fn waits_for_renewal(&self) -> bool {
        self.0.scene.is_some_and(|scene| matches!(scene.spot, Spot::RenewalUnsent | Spot::RenewalUnanswered))
    }
}
