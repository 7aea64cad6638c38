//! Hints for [`Store::changed`](idem_core::Store::changed).
//!
//! One thread reads the records of the keys that have a waiter: after each COMMIT of this store, and every few milliseconds if
//! another process has committed. The first waiter starts the thread; without waiters it sleeps.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::mpsc::{channel, Receiver, RecvTimeoutError, Sender};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use idem_core::{Key, KeyedNotify};

use crate::connection;
use crate::error::SqliteError;
use crate::rows::{Glance, Rows, RUNNING};

/// How often the thread checks whether another process has committed.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

#[derive(Debug)]
pub(crate) struct Watch {
    path: PathBuf,
    busy_timeout: Duration,
    waiters: KeyedNotify,
    /// Started by the first waiter.
    thread: Mutex<Option<Sender<Event>>>,
}

#[derive(Debug)]
enum Event {
    /// A call waits for this key.
    Waits(Key),
    /// This store has committed a transaction.
    Committed,
}

impl Watch {
    pub(crate) fn new(path: PathBuf, busy_timeout: Duration) -> Self {
        Self { path, busy_timeout, waiters: KeyedNotify::new(), thread: Mutex::new(None) }
    }

    /// Completes when the key's record is not running, or changes. Without the thread it never completes.
    pub(crate) async fn wait(&self, key: &Key) {
        let mut waiter = self.waiters.waiter(key.clone());
        self.send(Event::Waits(key.clone()));
        waiter.notified().await;
    }

    /// Tells the thread that this store has committed a transaction.
    pub(crate) fn committed(&self) {
        if !self.waiters.is_empty() {
            if let Some(thread) = &*self.thread.lock().unwrap_or_else(PoisonError::into_inner) {
                let _ = thread.send(Event::Committed);
            }
        }
    }

    fn send(&self, event: Event) {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        let unsent = match &*thread {
            Some(thread) => thread.send(event).err().map(|unsent| unsent.0),
            None => Some(event),
        };
        if let Some(event) = unsent {
            // The thread was not started yet, or ended with an error. If it cannot be started there are no hints.
            *thread = self.start().ok();
            if let Some(thread) = &*thread {
                let _ = thread.send(event);
            }
        }
    }

    fn start(&self) -> Result<Sender<Event>, std::io::Error> {
        let (sender, events) = channel();
        let (path, busy_timeout, waiters) = (self.path.clone(), self.busy_timeout, self.waiters.clone());
        thread::Builder::new().name("idem-sqlite-watch".into()).spawn(move || {
            // A waiting call asks the store now and then, with hints or without.
            let _ = work(path, busy_timeout, &waiters, &events);
        })?;
        Ok(sender)
    }
}

fn work(
    path: PathBuf,
    busy_timeout: Duration,
    waiters: &KeyedNotify,
    events: &Receiver<Event>,
) -> Result<(), SqliteError> {
    let connection = connection::reading(&path, busy_timeout)?;
    let mut rows = Rows::new(&connection);
    // The running records that calls wait for, as the thread last read them.
    let (mut watched, mut version): (HashMap<Key, Glance>, _) = (HashMap::new(), rows.data_version()?);
    loop {
        let next = match watched.is_empty() {
            true => events.recv().map_err(|_| RecvTimeoutError::Disconnected),
            false => events.recv_timeout(POLL_INTERVAL),
        };
        match next {
            Ok(Event::Waits(key)) => {
                let seen = watched.remove(&key);
                match rows.glance(&key)? {
                    Some(glance) if is_running(&glance) && seen.is_none_or(|seen| seen == glance) => {
                        watched.insert(key, glance);
                    }
                    _ => waiters.notify(&key),
                }
            }
            Ok(Event::Committed) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
        watched.retain(|key, _| waiters.contains(key));
        // Read after the glances: a COMMIT between the two makes the thread read the records again.
        let now = rows.data_version()?;
        if std::mem::replace(&mut version, now) != now {
            for (key, seen) in std::mem::take(&mut watched) {
                match rows.glance(&key)? {
                    Some(glance) if glance == seen => {
                        watched.insert(key, glance);
                    }
                    _ => waiters.notify(&key),
                }
            }
        }
    }
}

fn is_running((state, _): &Glance) -> bool {
    state == RUNNING
}
