//! Counts what is counted.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use metrics::{Counter, CounterFn, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, SharedString, Unit};

/// Everything that was counted of `test.op`: outcomes by their name, events with a `!`, store errors with a `?`.
#[derive(Debug, Clone, Default)]
pub(super) struct Recorder(Arc<Mutex<Seen>>, Option<&'static str>);

#[derive(Debug, Default)]
struct Seen {
    counts: BTreeMap<String, u64>,
    seconds: BTreeMap<String, Vec<f64>>,
}

struct Handle(Recorder, String);

impl Recorder {
    pub(super) fn that_panics_at(histogram: &'static str) -> Self {
        Self(Arc::default(), Some(histogram))
    }

    pub(super) fn counts(&self) -> Vec<(String, u64)> {
        self.0.lock().unwrap().counts.clone().into_iter().collect()
    }

    pub(super) fn seconds(&self) -> BTreeMap<String, Vec<f64>> {
        self.0.lock().unwrap().seconds.clone()
    }
}

impl CounterFn for Handle {
    fn increment(&self, by: u64) {
        *self.0 .0.lock().unwrap().counts.entry(self.1.clone()).or_default() += by;
    }

    fn absolute(&self, _: u64) {}
}

impl HistogramFn for Handle {
    fn record(&self, seconds: f64) {
        assert_ne!(self.0 .1, Some(&*self.1), "the recorder's own");
        self.0 .0.lock().unwrap().seconds.entry(self.1.clone()).or_default().push(seconds);
    }
}

impl metrics::Recorder for Recorder {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let label =
            |wanted: &str| key.labels().find(|label| label.key() == wanted).map(|label| label.value().to_owned());
        assert_eq!(label("operation").as_deref(), Some("test.op"));
        let name = match key.name() {
            "idem_calls_total" => label("outcome").unwrap(),
            "idem_events_total" => label("event").unwrap() + "!",
            "idem_store_errors_total" => label("verb").unwrap() + "?",
            other => panic!("{other}"),
        };
        Counter::from_arc(Arc::new(Handle(self.clone(), name)))
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(Arc::new(Handle(self.clone(), key.name().to_owned())))
    }
}
