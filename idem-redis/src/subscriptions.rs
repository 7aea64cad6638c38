//! Hints of endings, published by those who end and heard by those who wait.
//!
//! One connection for all who wait, made when somebody first does and closed with the store's last clone. Whoever waits is
//! also woken when its channel has just been subscribed to, for what was published before; and a hint that comes between two
//! waits of a call's is kept for the second.

mod listen;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::mpsc::{unbounded_channel, UnboundedSender};
use tokio::sync::watch;

use crate::link::Dial;

/// The hints of a store.
pub(crate) struct News {
    dial: Option<Arc<dyn Dial>>,
    channels: Arc<Channels>,
    /// To the task that listens; it ends when this is dropped.
    listener: Mutex<Option<UnboundedSender<Vec<u8>>>>,
}

/// What is waited for.
#[derive(Default)]
struct Channels(Mutex<HashMap<Vec<u8>, Channel>>);

struct Channel {
    heard: watch::Sender<()>,
    /// A hint that nobody was there to hear.
    kept: bool,
    waiting: usize,
    left: Instant,
}

impl Channels {
    fn lock(&self) -> MutexGuard<'_, HashMap<Vec<u8>, Channel>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes all who wait for a channel; or the next to come.
    fn hint(&self, name: &[u8]) {
        if let Some(channel) = self.lock().get_mut(name) {
            channel.hint();
        }
    }

    fn hint_all(&self) {
        self.lock().values_mut().for_each(Channel::hint);
    }
}

impl Channel {
    fn hint(&mut self) {
        self.kept = self.waiting == 0;
        self.heard.send_replace(());
    }
}

impl News {
    pub(crate) fn new(dial: Option<Arc<dyn Dial>>) -> Self {
        Self { dial, channels: Arc::default(), listener: Mutex::new(None) }
    }

    /// Completes at the next hint on this channel. Where nobody can listen it never does.
    pub(crate) async fn of(&self, name: Vec<u8>) {
        let Some(dial) = &self.dial else { return std::future::pending().await };
        let (mut heard, is_new) = match self.enter(&name) {
            Some(entered) => entered,
            None => return,
        };
        let _left = Leave { channels: &self.channels, name: &name };
        if is_new || self.is_deaf() {
            self.listen(dial, name.clone());
        }
        if heard.changed().await.is_err() {
            std::future::pending().await
        }
    }

    /// Begins to wait; `None` when a hint was kept.
    fn enter(&self, name: &[u8]) -> Option<(watch::Receiver<()>, bool)> {
        let mut channels = self.channels.lock();
        let is_new = !channels.contains_key(name);
        let channel = channels.entry(name.to_vec()).or_insert_with(|| Channel {
            heard: watch::Sender::new(()),
            kept: false,
            waiting: 0,
            left: Instant::now(),
        });
        if std::mem::take(&mut channel.kept) {
            channel.left = Instant::now();
            return None;
        }
        channel.waiting += 1;
        Some((channel.heard.subscribe(), is_new))
    }

    /// Whether the task that listened is gone, with its runtime.
    fn is_deaf(&self) -> bool {
        let listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner);
        listener.as_ref().is_none_or(UnboundedSender::is_closed)
    }

    /// Has the channel subscribed to, by the task that does it; outside of a tokio runtime there is none.
    fn listen(&self, dial: &Arc<dyn Dial>, name: Vec<u8>) {
        let mut listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner);
        let name = match listener.as_ref().map(|to| to.send(name)) {
            Some(Ok(())) => return,
            Some(Err(unsent)) => Some(unsent.0),
            None => None,
        };
        // The task knows by itself what is waited for when it begins, and it has ended with its runtime if it was there before.
        drop(name);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let (sender, receiver) = unbounded_channel();
            runtime.spawn(listen::listen(dial.clone(), self.channels.clone(), receiver));
            *listener = Some(sender);
        }
    }
}

/// Ends a wait, also one that was dropped.
struct Leave<'a> {
    channels: &'a Channels,
    name: &'a [u8],
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        if let Some(channel) = self.channels.lock().get_mut(self.name) {
            channel.waiting = channel.waiting.saturating_sub(1);
            channel.left = Instant::now();
        }
    }
}
