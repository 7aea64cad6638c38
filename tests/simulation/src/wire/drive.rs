//! The world's one loop.

use std::future::{poll_fn, Future};
use std::pin::Pin;
use std::task::Poll;

use tokio::time::Sleep;

use super::Wire;
use crate::dice::Dice;
use crate::tasks::Tasks;

/// What is to happen, and when.
pub trait Script {
    /// When something is to happen next.
    fn next(&self) -> Option<u64>;
    /// Lets everything happen that is due.
    fn act(&mut self, now: u64);
}

/// Lets a world run until nothing more is to happen and nothing is on its way. What tasks there are then is left alone.
pub async fn drive(tasks: &Tasks, wire: &Wire, mut dice: Dice, script: &mut dyn Script) {
    let mut timer: Option<(u64, Pin<Box<Sleep>>)> = None;
    let root = poll_fn(|cx| {
        tasks.watch(cx.waker());
        loop {
            let now = wire.now();
            script.act(now);
            while wire.deliver() {}
            if tasks.step(&mut dice) {
                continue;
            }
            let next = match (script.next(), wire.next()) {
                (None, None) => return Poll::Ready(()),
                (Some(one), Some(other)) => one.min(other),
                (one, other) => one.or(other).unwrap_or(now),
            };
            if next <= now {
                continue;
            }
            let (at, sleep) =
                timer.get_or_insert_with(|| (next, Box::pin(tokio::time::sleep_until(wire.instant(next)))));
            if *at != next {
                *at = next;
                sleep.as_mut().reset(wire.instant(next));
            }
            if sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    });
    // tokio's budget is for tasks of its own.
    tokio::task::unconstrained(root).await;
}
