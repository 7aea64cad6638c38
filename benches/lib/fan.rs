//! Calls by several callers.

use std::future::Future;
use std::hint::black_box;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};

use crate::ids::Ids;

/// One thread.
pub fn one_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// Two threads, whatever the machine has.
pub fn two_threads() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

/// Times calls that one caller makes one after another.
pub fn alone<F: Future>(runtime: &Runtime, calls: u32, mut call: impl FnMut() -> F) -> Duration {
    runtime.block_on(async {
        let start = Instant::now();
        for _ in 0..calls {
            black_box(call().await);
        }
        start.elapsed()
    })
}

/// Times calls that so many tasks make, each one after another.
pub fn fan<C, F>(runtime: &Runtime, callers: u32, calls: u32, ids: &Ids, call: C) -> Duration
where
    C: Fn(u64) -> F + Clone + Send + 'static,
    F: Future + Send + 'static,
{
    let each = (calls / callers).max(1);
    runtime.block_on(async {
        let start = Instant::now();
        let tasks: Vec<_> = (0..callers)
            .map(|caller| {
                let (mut next, call) = (ids.of_caller(caller, each), call.clone());
                tokio::spawn(async move {
                    for _ in 0..each {
                        black_box(call(next()).await);
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("a caller does not panic");
        }
        start.elapsed()
    })
}
