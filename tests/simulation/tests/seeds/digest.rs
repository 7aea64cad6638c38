//! A history as one number: the same world, the same number.

use std::collections::BTreeMap;
use std::fmt::Write;

use idem::{Owner, Record, State};
use idem_simulation::wire::Note;

use crate::world::History;

/// FNV-1a over all that was seen. Owner tokens are random; they count by when they were first met.
pub(crate) fn digest(history: &History) -> u64 {
    let mut hash = Fnv(0xcbf2_9ce4_8422_2325);
    let mut owners = BTreeMap::new();
    for seen in &history.notes {
        let _ = write!(hash, "{};", seen.at);
        let _ = match &seen.note {
            Note::Claims { call, owner } => write!(hash, "claims {call} {}", number(&mut owners, *owner)),
            Note::Told { call, owner, .. } => write!(hash, "told {call} {}", number(&mut owners, *owner)),
            Note::Changed(change) => {
                let (owner, record) = (number(&mut owners, change.after.owner), record(&change.after));
                write!(hash, "changed {} {} {} {:?} {owner} {record}", change.key, change.call, change.sent, change.now)
            }
            other => write!(hash, "{other:?}"),
        };
    }
    hash.0
}

fn number(owners: &mut BTreeMap<[u8; 16], usize>, owner: Owner) -> usize {
    let next = owners.len();
    *owners.entry(*owner.as_bytes()).or_insert(next)
}

/// A record but for its owner.
pub(crate) fn record(record: &Record) -> String {
    let micros = |at: idem::Timestamp| at.as_micros().wrapping_sub(1_700_000_000_000_000);
    let state = match &record.state {
        State::Running { since, lease_until, .. } => format!("running {}..{}", micros(*since), micros(*lease_until)),
        State::Completed(completion) => format!("completed {:?}", completion_text(completion)),
        other => format!("{other:?}"),
    };
    let Record { fence, attempt, at_most_once, after_unknown, .. } = record;
    let print = record.fingerprint.map_or(0, |print| print.as_bytes()[0]);
    format!(
        "{state} fence {} attempt {attempt} amo {at_most_once} unknown {after_unknown} print {print:x} until {}",
        fence.wrapping_sub(1_700_000_000_000_000),
        micros(record.expires_at)
    )
}

fn completion_text(completion: &idem::Completion) -> String {
    match completion {
        idem::Completion::Result(payload) => String::from_utf8_lossy(&payload.as_bytes()[3..]).into_owned(),
        _ => "unreplayable".into(),
    }
}

struct Fnv(u64);

impl Write for Fnv {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        for byte in text.bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Ok(())
    }
}
