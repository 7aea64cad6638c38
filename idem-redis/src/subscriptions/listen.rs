//! The task that listens.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use redis::aio::{PubSubSink, PubSubStream};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{interval, sleep, timeout, MissedTickBehavior};

use super::Channels;
use crate::link::Connector;

/// How long a channel stays subscribed after its last wait: a call asks the store between two waits, and then waits again.
const LINGER: Duration = Duration::from_secs(5);
/// How often the task unsubscribes from unused channels and checks the connection.
const TICK: Duration = Duration::from_secs(5);
/// How long the server may take to confirm a command.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(3);
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Why a connection is no longer used.
enum Ended {
    StoreDropped,
    /// The connection is broken, or the server refused a subscription.
    ConnectionFailed,
}

/// Listens until the store is dropped.
pub(super) async fn listen(
    connector: Arc<dyn Connector>,
    channels: Arc<Channels>,
    mut requests: UnboundedReceiver<Vec<u8>>,
) {
    let mut pause = SHORTEST_PAUSE;
    loop {
        if let Ok(connection) = connector.subscribe().await {
            let (mut sink, stream) = connection.split();
            if subscribe_to_all(&mut sink, &channels).await {
                pause = SHORTEST_PAUSE;
                if let Ended::StoreDropped = receive(sink, stream, &channels, &mut requests).await {
                    return;
                }
            }
        }
        // Waiting calls go on asking the store meanwhile.
        tokio::select! {
            () = sleep(pause) => {}
            () = store_dropped(&mut requests) => return,
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
        forget_unused(&channels);
        if channels.lock().is_empty() && requests.recv().await.is_none() {
            return;
        }
    }
}

/// Completes when the store is dropped. The next connection subscribes to the channels that are requested meanwhile.
async fn store_dropped(requests: &mut UnboundedReceiver<Vec<u8>>) {
    while requests.recv().await.is_some() {}
}

/// Says whether the server confirmed.
async fn subscribe_to_all(sink: &mut PubSubSink, channels: &Channels) -> bool {
    let all = channels.waiters.keys();
    let subscribed = all.is_empty() || confirmed(sink.subscribe(&all)).await;
    if subscribed {
        // Messages before the subscription were not received, so waiting calls ask the store.
        channels.waiters.notify_all();
    }
    subscribed
}

/// Passes messages on and subscribes to the channels that are requested.
async fn receive(
    mut sink: PubSubSink,
    mut stream: PubSubStream,
    channels: &Channels,
    requests: &mut UnboundedReceiver<Vec<u8>>,
) -> Ended {
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tick.tick().await;
    loop {
        tokio::select! {
            message = stream.next() => match message {
                Some(message) => channels.waiters.notify(&message.get_channel::<Vec<u8>>().unwrap_or_default()),
                None => return Ended::ConnectionFailed,
            },
            name = requests.recv() => {
                let Some(name) = name else { return Ended::StoreDropped };
                if !confirmed(sink.subscribe(&name)).await {
                    return Ended::ConnectionFailed;
                }
                channels.waiters.notify(&name);
            },
            _ = tick.tick() => {
                let unused = forget_unused(channels);
                let check = async {
                    if !unused.is_empty() {
                        sink.unsubscribe(&unused).await?;
                    }
                    sink.ping::<redis::Value>().await.map(|_| ())
                };
                if !confirmed(check).await {
                    return Ended::ConnectionFailed;
                }
            }
        }
    }
}

async fn confirmed(answer: impl std::future::Future<Output = redis::RedisResult<()>>) -> bool {
    matches!(timeout(CONFIRM_TIMEOUT, answer).await, Ok(Ok(())))
}

/// Removes the channels that have had no wait for a while, and returns their names.
fn forget_unused(channels: &Channels) -> Vec<Vec<u8>> {
    let mut unused = Vec::new();
    channels.lock().retain(|name, channel| {
        let keep = channel.waits > 0 || channel.last_wait.elapsed() < LINGER;
        if !keep {
            unused.push(name.clone());
        }
        keep
    });
    unused
}
