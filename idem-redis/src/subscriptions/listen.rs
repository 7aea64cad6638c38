//! The task that listens.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use redis::aio::{PubSubSink, PubSubStream};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{interval, sleep, timeout, MissedTickBehavior};

use super::Channels;
use crate::link::Dial;

/// How long a channel is kept when nobody waits: a call asks the store between two waits, and comes back.
const LINGER: Duration = Duration::from_secs(5);
/// How often it is looked which channels are left, and whether the server is still there.
const TICK: Duration = Duration::from_secs(5);
/// How long the server may take to confirm.
const PATIENCE: Duration = Duration::from_secs(3);
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Why a connection was left.
enum Over {
    /// The store is gone.
    Store,
    /// It is broken, or the server does not let us.
    Connection,
}

/// Listens until the store is gone.
pub(super) async fn listen(dial: Arc<dyn Dial>, channels: Arc<Channels>, mut asked: UnboundedReceiver<Vec<u8>>) {
    let mut pause = SHORTEST_PAUSE;
    loop {
        if let Ok(connection) = dial.subscribe().await {
            let (sink, stream) = connection.split();
            let mut subscribed = false;
            if let Over::Store = converse(sink, stream, &channels, &mut asked, &mut subscribed).await {
                return;
            }
            if subscribed {
                pause = SHORTEST_PAUSE;
            }
        }
        // Whoever waits goes on asking the store meanwhile.
        tokio::select! {
            () = sleep(pause) => {}
            () = gone(&mut asked) => return,
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
        forget(&channels);
        if channels.lock().is_empty() && asked.recv().await.is_none() {
            return;
        }
    }
}

/// Until the store is gone. What is asked for meanwhile is among the channels.
async fn gone(asked: &mut UnboundedReceiver<Vec<u8>>) {
    while asked.recv().await.is_some() {}
}

async fn converse(
    mut sink: PubSubSink,
    mut stream: PubSubStream,
    channels: &Channels,
    asked: &mut UnboundedReceiver<Vec<u8>>,
    subscribed: &mut bool,
) -> Over {
    let all: Vec<Vec<u8>> = channels.lock().keys().cloned().collect();
    if !all.is_empty() && !confirmed(sink.subscribe(&all)).await {
        return Over::Connection;
    }
    *subscribed = true;
    // For what was published before.
    channels.hint_all();
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tick.tick().await;
    loop {
        tokio::select! {
            message = stream.next() => match message {
                Some(message) => channels.hint(&message.get_channel::<Vec<u8>>().unwrap_or_default()),
                None => return Over::Connection,
            },
            name = asked.recv() => {
                let Some(name) = name else { return Over::Store };
                if !confirmed(sink.subscribe(&name)).await {
                    return Over::Connection;
                }
                channels.hint(&name);
            },
            _ = tick.tick() => {
                let left = forget(channels);
                let heard = async {
                    if !left.is_empty() {
                        sink.unsubscribe(&left).await?;
                    }
                    sink.ping::<redis::Value>().await.map(|_| ())
                };
                if !confirmed(heard).await {
                    return Over::Connection;
                }
            }
        }
    }
}

async fn confirmed(answer: impl std::future::Future<Output = redis::RedisResult<()>>) -> bool {
    matches!(timeout(PATIENCE, answer).await, Ok(Ok(())))
}

/// Forgets the channels that nobody has waited for in a while.
fn forget(channels: &Channels) -> Vec<Vec<u8>> {
    let mut left = Vec::new();
    channels.lock().retain(|name, channel| {
        let keep = channel.waiting > 0 || channel.left.elapsed() < LINGER;
        if !keep {
            left.push(name.clone());
        }
        keep
    });
    left
}
