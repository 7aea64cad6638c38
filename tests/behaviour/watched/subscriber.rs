//! Writes down every event with the spans around it.

use std::collections::HashMap;
use std::fmt::{Debug, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata};

#[derive(Clone, Default)]
pub(super) struct Subscriber(Arc<Inner>);

#[derive(Default)]
struct Inner {
    next: AtomicU64,
    spans: Mutex<HashMap<u64, String>>,
    entered: Mutex<Vec<u64>>,
    lines: Mutex<Vec<(Level, String)>>,
}

impl Subscriber {
    pub(super) fn lines(&self) -> Vec<(Level, String)> {
        self.0.lines.lock().unwrap().clone()
    }
}

struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {}={value:?}", field.name()).unwrap();
    }
}

impl tracing::Subscriber for Subscriber {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let id = self.0.next.fetch_add(1, Ordering::SeqCst) + 1;
        let mut fields = Fields(String::new());
        span.record(&mut fields);
        let text = format!("{}{{{}", span.metadata().name(), fields.0.trim_start());
        self.0.spans.lock().unwrap().insert(id, text);
        Id::from_u64(id)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        let mut fields = Fields(String::new());
        values.record(&mut fields);
        self.0.spans.lock().unwrap().get_mut(&span.into_u64()).unwrap().push_str(&fields.0);
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields(String::new());
        event.record(&mut fields);
        let spans = self.0.spans.lock().unwrap();
        let around = self.0.entered.lock().unwrap();
        let around = event
            .parent()
            .map(Id::into_u64)
            .iter()
            .chain(around.iter())
            .map(|id| spans[id].clone())
            .collect::<Vec<_>>();
        self.0.lines.lock().unwrap().push((*event.metadata().level(), format!("{}}}{}", around.join("}:"), fields.0)));
    }

    fn enter(&self, span: &Id) {
        self.0.entered.lock().unwrap().push(span.into_u64());
    }

    fn exit(&self, _: &Id) {
        self.0.entered.lock().unwrap().pop();
    }
}
