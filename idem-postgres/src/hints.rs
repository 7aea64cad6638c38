//! Those who wait for news of a key.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// Waiters by key. A clone is the same. Nothing is kept of a key that nobody waits for.
#[derive(Clone, Default)]
pub(crate) struct Hints(Arc<Mutex<HashMap<Box<[u8]>, Waiters>>>);

#[derive(Default)]
struct Waiters {
    news: Arc<Notify>,
    count: usize,
}

impl Hints {
    /// Waits for news of `key`. News that came before the first poll is missed.
    pub(crate) async fn wait(&self, key: &[u8]) {
        let waiting = Waiting { hints: self, key };
        let news = self.with(|waiters| {
            let waiters = waiters.entry(key.into()).or_default();
            waiters.count += 1;
            Arc::clone(&waiters.news)
        });
        let news = news.notified();
        news.await;
        drop(waiting);
    }

    /// There is news of `key`: everybody who waits for it goes on.
    pub(crate) fn news(&self, key: &[u8]) {
        self.with(|waiters| {
            if let Some(waiters) = waiters.get(key) {
                waiters.news.notify_waiters();
            }
        });
    }

    /// There may be news of any key, such as after a lost connection.
    pub(crate) fn news_of_all(&self) {
        self.with(|waiters| waiters.values().for_each(|waiters| waiters.news.notify_waiters()));
    }

    /// Whether nobody waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.with(|waiters| waiters.is_empty())
    }

    fn with<T>(&self, apply: impl FnOnce(&mut HashMap<Box<[u8]>, Waiters>) -> T) -> T {
        apply(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// One who waits. The last one takes the entry along.
struct Waiting<'a> {
    hints: &'a Hints,
    key: &'a [u8],
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.hints.with(|waiters| {
            if let Some(entry) = waiters.get_mut(self.key) {
                entry.count = entry.count.saturating_sub(1);
                if entry.count == 0 {
                    waiters.remove(self.key);
                }
            }
        });
    }
}

impl fmt::Debug for Hints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hints").field("keys", &self.with(|waiters| waiters.len())).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::Poll;

    use super::*;

    async fn is_ready(future: std::pin::Pin<&mut impl std::future::Future>) -> bool {
        let mut future = future;
        std::future::poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_ready())).await
    }

    #[tokio::test]
    async fn news_reach_all_who_wait_for_the_key_and_nobody_else() {
        let hints = Hints::default();
        {
            let (mut one, mut two, mut other) =
                (pin!(hints.wait(b"a")), pin!(hints.wait(b"a")), pin!(hints.wait(b"b")));
            assert!(!is_ready(one.as_mut()).await && !is_ready(two.as_mut()).await && !is_ready(other.as_mut()).await);
            hints.news(b"a");
            assert!(is_ready(one.as_mut()).await && is_ready(two.as_mut()).await && !is_ready(other.as_mut()).await);
            hints.news_of_all();
            assert!(is_ready(other.as_mut()).await);
        }
        assert!(hints.is_empty());
    }

    #[tokio::test]
    async fn nothing_is_kept_of_those_who_left() {
        let hints = Hints::default();
        {
            let mut gone = pin!(hints.wait(b"a"));
            assert!(!is_ready(gone.as_mut()).await && !hints.is_empty());
        }
        assert!(hints.is_empty());
    }
}
