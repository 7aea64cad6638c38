//! Waiters by key, for stores that implement [`Store::changed`](super::Store::changed).

use std::borrow::Borrow;
use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, PoisonError};

use tokio::sync::watch;

use crate::key::Key;
use crate::sync::{Mutex, MutexGuard};

/// Wakes the waiters of one key, for stores that implement [`Store::changed`](crate::Store::changed).
///
/// A [`Waiter`] receives every notification that is sent after [`waiter`](Self::waiter) returned it, even if the waiter was
/// not polled yet. A notification for a key without waiters is dropped. The map holds one entry for each key that has a
/// waiter; the drop of the key's last waiter frees the entry.
///
/// `K` is the key of the map: a [`Key`] by default, or what the store's notifications carry, such as a channel name. A clone
/// shares the waiters. It needs no runtime.
///
/// # Examples
/// A store creates the waiter before it subscribes, and waits after that. A notification in between wakes the call.
///
/// ```
/// use idem_core::{Key, KeyedNotify};
///
/// #[derive(Default)]
/// struct Notifications {
///     waiters: KeyedNotify,
/// }
///
/// impl Notifications {
///     /// What `Store::changed` awaits.
///     async fn changed(&self, key: &Key) {
///         let mut waiter = self.waiters.waiter(key.clone());
///         self.subscribe(key).await;
///         waiter.notified().await;
///     }
///
///     /// The listener received a message about `key`.
///     fn received(&self, key: &Key) {
///         self.waiters.notify(key);
///     }
///
///     /// The listener lost its connection. Messages may be lost, so every waiting call asks the store.
///     fn disconnected(&self) {
///         self.waiters.notify_all();
///     }
///
///     async fn subscribe(&self, key: &Key) {
/// #       // The message arrives before the call waits.
/// #       self.received(key);
///     }
/// }
///
/// # fn main() -> Result<(), idem_core::InvalidKey> {
/// # let notifications = Notifications::default();
/// # notifications.disconnected();
/// # let key = Key::new("billing", "charge", "1")?;
/// # let changed = std::pin::pin!(notifications.changed(&key));
/// # let mut context = std::task::Context::from_waker(std::task::Waker::noop());
/// # assert!(std::future::Future::poll(changed, &mut context).is_ready());
/// # Ok(())
/// # }
/// ```
pub struct KeyedNotify<K = Key> {
    entries: Arc<Mutex<HashMap<K, Entry>>>,
}

struct Entry {
    sender: watch::Sender<()>,
    /// Not the sender's `receiver_count`: a waiter drops its receiver after it released the lock.
    waiters: usize,
}

impl<K: Eq + Hash> KeyedNotify<K> {
    /// Creates a map without waiters.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Registers a waiter for `key`. It receives every notification from here on.
    #[must_use = "a dropped waiter receives nothing"]
    pub fn waiter(&self, key: K) -> Waiter<K>
    where
        K: Clone,
    {
        let mut entries = self.lock();
        let entry = entries.entry(key.clone()).or_insert_with(|| Entry { sender: watch::channel(()).0, waiters: 0 });
        entry.waiters += 1;
        Waiter { receiver: entry.sender.subscribe(), key, of: self.clone() }
    }

    /// Wakes every waiter of `key`.
    pub fn notify<Q>(&self, key: &Q)
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        // The lock is released before the waiters are woken: a waker may drop a task, and with it a waiter, which takes the
        // lock.
        let sender = self.lock().get(key).map(|entry| entry.sender.clone());
        if let Some(sender) = sender {
            sender.send_replace(());
        }
    }

    /// Wakes every waiter of every key, for a store that may have missed notifications, such as after a lost connection.
    pub fn notify_all(&self) {
        let senders: Vec<_> = self.lock().values().map(|entry| entry.sender.clone()).collect();
        for sender in senders {
            sender.send_replace(());
        }
    }

    /// The keys that have a waiter, in no order: what a listener subscribes to when it connects.
    #[must_use]
    pub fn keys(&self) -> Vec<K>
    where
        K: Clone,
    {
        self.lock().keys().cloned().collect()
    }

    /// Whether `key` has a waiter.
    #[must_use]
    pub fn contains<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.lock().contains_key(key)
    }

    /// How many keys have a waiter.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether no key has a waiter.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<K> KeyedNotify<K> {
    fn lock(&self) -> MutexGuard<'_, HashMap<K, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K> Default for KeyedNotify<K> {
    fn default() -> Self {
        Self { entries: Arc::new(Mutex::new(HashMap::new())) }
    }
}

impl<K> Clone for KeyedNotify<K> {
    fn clone(&self) -> Self {
        Self { entries: Arc::clone(&self.entries) }
    }
}

impl<K> fmt::Debug for KeyedNotify<K> {
    /// Without the keys: they may be private to a user.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedNotify").field("keys", &self.lock().len()).finish()
    }
}

/// Waits for the notifications of one key; created by [`KeyedNotify::waiter`].
///
/// The drop of the key's last waiter frees the key's entry.
///
/// # Examples
/// ```
/// use idem_core::KeyedNotify;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let waiters = KeyedNotify::<String>::new();
/// let mut waiter = waiters.waiter("charge:1".to_owned());
///
/// waiters.notify("charge:1");
/// waiter.notified().await;
///
/// drop(waiter);
/// assert!(waiters.is_empty());
/// # }
/// ```
pub struct Waiter<K: Eq + Hash = Key> {
    receiver: watch::Receiver<()>,
    key: K,
    of: KeyedNotify<K>,
}

impl<K: Eq + Hash> Waiter<K> {
    /// Completes after a notification that this waiter has not received yet. Notifications that were sent in the meantime
    /// count as one.
    ///
    /// # Cancel safety
    /// A dropped future consumes no notification: the next `notified` of this waiter receives it.
    pub async fn notified(&mut self) {
        // The entry keeps the sender while this waiter lives, so the only answer is a notification.
        let _ = self.receiver.changed().await;
    }
}

impl<K: Eq + Hash> Drop for Waiter<K> {
    fn drop(&mut self) {
        let mut entries = self.of.lock();
        if let Some(entry) = entries.get_mut(&self.key) {
            entry.waiters = entry.waiters.saturating_sub(1);
            if entry.waiters == 0 {
                entries.remove(&self.key);
            }
        }
    }
}

impl<K: Eq + Hash> fmt::Debug for Waiter<K> {
    /// Without the key: it may be private to a user.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiter").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
