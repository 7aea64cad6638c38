//! Hints for [`Store::changed`](idem_core::Store::changed): endings are published, and waiting calls subscribe.
//!
//! One connection serves all waiting calls. The first of them opens it; the drop of the store's last clone closes it. A new
//! subscription wakes the channel's waiters, because a message that was published before it was not received. A channel stays
//! subscribed for a while after its last wait: a call asks the store between two waits, and a notification in between
//! completes the second wait.

mod listen;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use idem_core::{KeyedNotify, Waiter};
use tokio::sync::mpsc::{unbounded_channel, UnboundedSender};

use crate::link::Connector;

/// The channels of a store, and the task that listens to them.
pub(crate) struct Subscriptions {
    connector: Option<Arc<dyn Connector>>,
    channels: Arc<Channels>,
    /// Sends new channels to the task, which ends when this is dropped.
    listener: Mutex<Option<UnboundedSender<Vec<u8>>>>,
}

/// The channels that are subscribed to, or will be when there is a connection.
#[derive(Default)]
struct Channels {
    waiters: KeyedNotify<Vec<u8>>,
    by_name: Mutex<HashMap<Vec<u8>, Channel>>,
}

struct Channel {
    waits: usize,
    /// While no call waits, this receives the notifications; the next wait takes it.
    pending: Option<Waiter<Vec<u8>>>,
    last_wait: Instant,
}

impl Channels {
    fn lock(&self) -> MutexGuard<'_, HashMap<Vec<u8>, Channel>> {
        self.by_name.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a wait; says whether the channel is new.
    fn enter(&self, name: &[u8]) -> (Waiter<Vec<u8>>, bool) {
        let mut channels = self.lock();
        let is_new = !channels.contains_key(name);
        let new = || Channel { waits: 0, pending: None, last_wait: Instant::now() };
        let channel = channels.entry(name.to_vec()).or_insert_with(new);
        channel.waits += 1;
        (channel.pending.take().unwrap_or_else(|| self.waiters.waiter(name.to_vec())), is_new)
    }

    fn leave(&self, name: &[u8]) {
        if let Some(channel) = self.lock().get_mut(name) {
            channel.waits = channel.waits.saturating_sub(1);
            channel.last_wait = Instant::now();
            if channel.waits == 0 {
                channel.pending = Some(self.waiters.waiter(name.to_vec()));
            }
        }
    }
}

impl Subscriptions {
    pub(crate) fn new(connector: Option<Arc<dyn Connector>>) -> Self {
        Self { connector, channels: Arc::default(), listener: Mutex::new(None) }
    }

    /// Completes at the next notification on this channel. Without a connector it never completes.
    pub(crate) async fn wait(&self, name: &[u8]) {
        let Some(connector) = &self.connector else { return std::future::pending().await };
        let (mut waiter, is_new) = self.channels.enter(name);
        let _guard = WaitGuard { channels: &self.channels, name };
        if is_new || self.listener_gone() {
            self.subscribe(connector, name);
        }
        waiter.notified().await;
    }

    /// Whether the task that listens ended with its runtime, or was never started.
    fn listener_gone(&self) -> bool {
        let listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner);
        listener.as_ref().is_none_or(UnboundedSender::is_closed)
    }

    /// Sends the channel to the task that listens, or starts the task. Outside of a tokio runtime there are no hints.
    fn subscribe(&self, connector: &Arc<dyn Connector>, name: &[u8]) {
        let mut listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner);
        if listener.as_ref().is_some_and(|listener| listener.send(name.to_vec()).is_ok()) {
            return;
        }
        // A new task subscribes to all channels, this one among them.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let (sender, requests) = unbounded_channel();
            runtime.spawn(listen::listen(connector.clone(), self.channels.clone(), requests));
            *listener = Some(sender);
        }
    }
}

/// Ends a wait, even if its future is dropped.
struct WaitGuard<'a> {
    channels: &'a Channels,
    name: &'a [u8],
}

impl Drop for WaitGuard<'_> {
    fn drop(&mut self) {
        self.channels.leave(self.name);
    }
}
