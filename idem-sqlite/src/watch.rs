//! Hints for those who wait for a key.
//!
//! A thread of its own looks at the keys that somebody waits for: when this store has committed something, and every few
//! milliseconds whether another process has. While nobody waits it sleeps.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{channel, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use idem_core::Key;
use tokio::sync::oneshot;

use crate::connection;
use crate::error::SqliteError;
use crate::rows::{Glance, Rows, RUNNING};

/// How often to ask whether another process has committed something.
const PAUSE: Duration = Duration::from_millis(5);

#[derive(Debug)]
pub(crate) struct Watch {
    path: PathBuf,
    busy_timeout: Duration,
    /// Started by the first who waits.
    news: Mutex<Option<Sender<News>>>,
    /// How many wait, about. Spares the writer the lock when nobody does.
    waiting: Arc<AtomicUsize>,
}

#[derive(Debug)]
enum News {
    Waiter(Waiter),
    Committed,
}

#[derive(Debug)]
struct Waiter {
    key: Key,
    hint: oneshot::Sender<()>,
    seen: Option<Glance>,
}

impl Watch {
    pub(crate) fn new(path: PathBuf, busy_timeout: Duration) -> Self {
        Self { path, busy_timeout, news: Mutex::new(None), waiting: Arc::default() }
    }

    /// Completes when the key's record is another than now, or nobody's. The hint may be dropped; then nobody looks any more.
    pub(crate) fn wait(&self, key: Key) -> oneshot::Receiver<()> {
        let (hint, hinted) = oneshot::channel();
        let mut news = self.news.lock().unwrap_or_else(PoisonError::into_inner);
        let waiter = News::Waiter(Waiter { key, hint, seen: None });
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let unsent = match &*news {
            Some(thread) => thread.send(waiter).err().map(|unsent| unsent.0),
            None => Some(waiter),
        };
        if let Some(waiter) = unsent {
            // There is none yet, or it came to grief. If it cannot be started there are no hints.
            *news = self.start().ok();
            if let Some(thread) = &*news {
                let _ = thread.send(waiter);
            }
        }
        hinted
    }

    /// Tells that this store has committed something.
    pub(crate) fn committed(&self) {
        if self.waiting.load(Ordering::SeqCst) > 0 {
            if let Some(thread) = &*self.news.lock().unwrap_or_else(PoisonError::into_inner) {
                let _ = thread.send(News::Committed);
            }
        }
    }

    fn start(&self) -> Result<Sender<News>, std::io::Error> {
        let (send, news) = channel();
        let (path, busy_timeout, waiting) = (self.path.clone(), self.busy_timeout, self.waiting.clone());
        thread::Builder::new().name("idem-sqlite-watch".into()).spawn(move || {
            // Whoever waits asks now and then, with hints or without.
            let _ = work(path, busy_timeout, &waiting, &news);
        })?;
        Ok(send)
    }
}

fn work(
    path: PathBuf,
    busy_timeout: Duration,
    waiting: &AtomicUsize,
    news: &Receiver<News>,
) -> Result<(), SqliteError> {
    let connection = connection::reading(&path, busy_timeout)?;
    let mut rows = Rows::new(&connection);
    let (mut waiters, mut version): (Vec<Waiter>, _) = (Vec::new(), rows.data_version()?);
    loop {
        let next = match waiters.is_empty() {
            true => news.recv().map_err(|_| RecvTimeoutError::Disconnected),
            false => news.recv_timeout(PAUSE),
        };
        match next {
            Ok(News::Waiter(mut waiter)) => {
                waiter.seen = rows.glance(&waiter.key)?;
                waiters.push(waiter);
            }
            Ok(News::Committed) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
        let before = waiters.len();
        waiters.retain(|waiter| !waiter.hint.is_closed());
        let now = rows.data_version()?;
        let (changed, mut left) = (std::mem::replace(&mut version, now) != now, Vec::new());
        for waiter in waiters {
            let there = if changed { rows.glance(&waiter.key)? } else { waiter.seen.clone() };
            let at_work = there.as_ref().is_some_and(|(state, ..)| state == RUNNING);
            if at_work && there == waiter.seen {
                left.push(waiter);
            } else {
                // It may have gone meanwhile.
                let _ = waiter.hint.send(());
            }
        }
        waiting.fetch_sub(before - left.len(), Ordering::SeqCst);
        waiters = left;
    }
}
