//! The line of deliveries, and those in flight.

use std::collections::VecDeque;
use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use idem::Idem;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{sleep, timeout};

use crate::complain::complain;
use crate::events::{Delivery, Event};
use crate::handler::{Answer, Handler};
use crate::input::{Line, Lines};
use crate::signals::Signals;
use crate::tally::Tally;

/// How many deliveries may wait; while so many do, nothing is read.
const WAITING: usize = 256;
/// How long a stop waits for what is in flight.
const DRAIN: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(crate) struct Worker {
    handler: Arc<Handler>,
    concurrency: usize,
    line: VecDeque<Delivery>,
    in_flight: JoinSet<(Delivery, Answer)>,
    /// Told to come again later. They take nobody's place in flight meanwhile.
    resting: JoinSet<Delivery>,
    tally: Tally,
}

impl Worker {
    pub(crate) fn new(handler: Arc<Handler>, concurrency: NonZeroUsize, tally: Tally) -> Self {
        Self {
            handler,
            concurrency: concurrency.get(),
            line: VecDeque::new(),
            in_flight: JoinSet::new(),
            resting: JoinSet::new(),
            tally,
        }
    }

    /// Handles what is read, until all of it is handled or somebody says stop.
    pub(crate) async fn work(&mut self, mut lines: Lines, signals: &mut Signals) {
        let mut reading = true;
        loop {
            self.begin();
            let waiting = self.line.len() + self.resting.len();
            if !reading && waiting == 0 && self.in_flight.is_empty() {
                return;
            }
            tokio::select! {
                () = signals.recv() => {
                    return complain(format_args!("worker: stopping, with {} in flight", self.in_flight.len()));
                }
                line = lines.recv(), if reading && waiting < WAITING => match line {
                    Some(line) => self.take(line),
                    None => reading = false,
                },
                Some(ended) = self.in_flight.join_next() => self.ended(ended),
                Some(Ok(delivery)) = self.resting.join_next() => self.line.push_back(delivery),
            }
        }
    }

    /// Begins nothing new and waits for what has begun. What became of everything is in the tally.
    pub(crate) async fn finish(mut self, idem: &Idem, signals: &mut Signals) -> Tally {
        let answers = async {
            while let Some(ended) = self.in_flight.join_next().await {
                self.ended(ended);
            }
        };
        tokio::select! {
            (left, _) = async { tokio::join!(idem.drain(DRAIN), timeout(DRAIN, answers)) } => if left > 0 {
                complain(format_args!("worker: {left} had not ended after {DRAIN:?}"));
            },
            // Told twice, it goes at once.
            () = signals.recv() => complain(format_args!("worker: not drained")),
        }
        self.tally
    }

    /// Fills the places in flight from the front of the line.
    fn begin(&mut self) {
        while self.in_flight.len() < self.concurrency {
            let Some(delivery) = self.line.pop_front() else {
                return;
            };
            self.tally.begun(&delivery);
            let handling = Arc::clone(&self.handler).handle(delivery.event.clone());
            self.in_flight.spawn(async move { (delivery, handling.await) });
        }
    }

    /// Puts what was read at the back of the line.
    fn take(&mut self, line: io::Result<Line>) {
        match line.map(|(line, text)| (line, Event::parse(&text))) {
            Ok((line, Ok(event))) => {
                let delivery = Delivery { line, event, failed: 0 };
                self.tally.delivered(&delivery);
                self.line.push_back(delivery);
            }
            Ok((line, Err(why))) => self.tally.bad_line(line, &why),
            Err(error) => self.tally.broke_off(&error),
        }
    }

    /// Frees a place in flight. A delivery that is worth another try goes to the back of the line, at once or later.
    fn ended(&mut self, ended: Result<(Delivery, Answer), JoinError>) {
        let (mut delivery, answer) = match ended {
            Ok(ended) => ended,
            // Which one it was is seen at the end: its event was not handled.
            Err(panic) => return complain(format_args!("worker: {panic}")),
        };
        match self.tally.answered(&mut delivery, answer, self.handler.attempts()) {
            Some(Duration::ZERO) => self.line.push_back(delivery),
            Some(after) => drop(self.resting.spawn(async move {
                sleep(after).await;
                delivery
            })),
            None => {}
        }
    }
}
