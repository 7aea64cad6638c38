//! Histories as lines of text: in files, and for people.

use std::fmt::{self, Write};
use std::time::Duration;

use idem_core::{
    Claim, Claimed, Completed, Completion, Ending, Fingerprint, Finish, Grant, Key, Owner, Ownership, Payload, Record,
    SaveStep, Settle, Settled, Settlement, Step, Steps,
};

use super::note::{Answer, Asked, Op, NEVER};

/// A verb that is about to be asked, as a line.
pub(super) fn question(number: usize, op: &Op) -> String {
    format!("? {number} {} {} {} {}\n", op.invoked, Hex(op.client.as_bytes()), Hex(op.key.as_bytes()), op.asked)
}

/// An answer that came, as a line.
pub(super) fn answer(number: usize, returned: u64, answer: &Answer) -> String {
    format!("! {number} {returned} {answer}\n")
}

/// What a file holds; nothing if it is no history.
pub(super) fn read(file: &str) -> Option<Vec<Op>> {
    let mut ops = Vec::new();
    // Behind the last line's end there is nothing, or what was cut short.
    let whole = file.rfind('\n').map_or("", |end| file.get(..end).unwrap_or_default());
    for line in whole.lines() {
        let mut words = Words(line.split(' '));
        match words.word()? {
            "?" if words.number::<usize>()? == ops.len() => {
                let invoked = words.number()?;
                let client = String::from_utf8(words.bytes()?).ok()?.into();
                let key = Key::from_bytes(&words.bytes()?)?;
                ops.push(Op { client, key, asked: words.asked()?, invoked, returned: NEVER, answer: None });
            }
            "!" => {
                let op = ops.get_mut(words.number::<usize>()?)?;
                (op.returned, op.answer) = (words.number()?, Some(words.answer()?));
            }
            _ => return None,
        }
    }
    Some(ops)
}

/// A key's history, and what is wrong with it, for people: times in milliseconds, owners by letters.
pub(super) fn story(key: &Key, ops: &[Op]) -> String {
    let start = ops.first().map_or(0, |op| op.invoked);
    let last = ops.iter().map(|op| op.returned).filter(|moment| *moment != NEVER).max();
    let millis = |moment: u64| moment.saturating_sub(start) as f64 / 1000.0;
    let mut story =
        format!("{} {}: no order explains these answers (from, to in ms)\n", key.operation(), key.readable());
    let mut lines: Vec<&Op> = ops.iter().collect();
    // The answer that does not fit comes last.
    lines.sort_by_key(|op| (Some(op.returned) == last, op.invoked));
    for op in lines {
        let told = op.answer.as_ref().map_or("…".to_owned(), ToString::to_string);
        let returned = if op.returned == NEVER { "…".into() } else { format!("{:.3}", millis(op.returned)) };
        let _ = writeln!(story, "{:>10.3} {returned:>10}  {}: {} → {told}", millis(op.invoked), op.client, op.asked);
    }
    let mut names = Vec::new();
    for owner in ops.iter().filter_map(|op| op.asked.owner()) {
        if !names.contains(&owner) {
            names.push(owner);
            story = story.replace(&Hex(owner.as_bytes()).to_string(), &format!("#{}", names.len()));
        }
    }
    // A fence is a moment, in microseconds.
    let _ = writeln!(story, "(fences are microseconds, the first line is at {start})");
    story
}

struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("-");
        }
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

struct Print<'a>(&'a Option<Fingerprint>);

impl fmt::Display for Print<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Hex(self.0.as_ref().map_or(&[][..], |print| print.as_bytes())).fmt(f)
    }
}

struct Done<'a>(&'a Completion);

impl fmt::Display for Done<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Completion::Result(payload) => write!(f, "result {}", Hex(payload.as_bytes())),
            _ => f.write_str("unreplayable -"),
        }
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Claim(claim) => {
                let Claim { owner, fingerprint, at_most_once, reconciling, lease, ttl, .. } = claim;
                let (lease, ttl) = (lease.as_micros(), ttl.as_micros());
                let owner = Hex(owner.as_bytes());
                write!(f, "claim {owner} {} {at_most_once} {reconciling} {lease} {ttl}", Print(fingerprint))
            }
            Self::Renew(owner) => write!(f, "renew {}", Hex(owner.as_bytes())),
            Self::Finish(Finish { owner, fence, ending, .. }) => {
                write!(f, "finish {} ", Hex(owner.as_bytes()))?;
                match fence {
                    Some(fence) => write!(f, "{fence} ")?,
                    None => f.write_str("- ")?,
                }
                match ending {
                    Ending::Completed(completion) => write!(f, "{}", Done(completion)),
                    Ending::Unknown => f.write_str("unknown -"),
                    Ending::Withdrawn => f.write_str("withdrawn -"),
                    _ => f.write_str("failed -"),
                }
            }
            Self::Load => f.write_str("load"),
            Self::SaveStep(SaveStep { owner, index, step, .. }) => {
                write!(f, "step {} {index} {}", Hex(owner.as_bytes()), Hex(&step.to_bytes()))
            }
            Self::Settle(Settle { fence, done, owner, settlement, .. }) => {
                let owner = Hex(owner.as_bytes());
                match settlement {
                    Settlement::Completed(completion) => {
                        write!(f, "settle {owner} {fence} {done} {}", Done(completion))
                    }
                    Settlement::Forgotten => write!(f, "settle {owner} {fence} {done} forgotten -"),
                    _ => write!(f, "settle {owner} {fence} {done} failed -"),
                }
            }
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Claimed(Claimed::Granted(grant)) => {
                let Grant { fence, attempt, fingerprint, after_unknown, steps, .. } = grant;
                let steps = Hex(steps.as_bytes());
                write!(f, "granted {fence} {attempt} {} {after_unknown} {steps}", Print(fingerprint))
            }
            Self::Claimed(Claimed::Completed(Completed { fingerprint, completion, ttl_left, .. })) => {
                write!(f, "completed {} {} {}", Print(fingerprint), Done(completion), ttl_left.as_micros())
            }
            Self::Claimed(Claimed::Running { lease_left, age, fingerprint, .. }) => {
                write!(f, "running {} {} {}", lease_left.as_micros(), age.as_micros(), Print(fingerprint))
            }
            Self::Claimed(Claimed::Indeterminate { attempt, .. }) => write!(f, "unknown {attempt}"),
            Self::Claimed(_) => f.write_str("reused"),
            Self::Held(Ownership::Held) => f.write_str("held"),
            Self::Held(_) => f.write_str("lost"),
            Self::Loaded(Some(record)) => {
                let bytes = anywhere().map(|key| record.to_bytes(&key)).unwrap_or_default();
                write!(f, "record {}", Hex(&bytes))
            }
            Self::Loaded(None) => f.write_str("nothing"),
            Self::Settled(Settled::Applied) => f.write_str("settled"),
            Self::Settled(Settled::Running { lease_left, .. }) => write!(f, "busy {}", lease_left.as_micros()),
            Self::Settled(_) => f.write_str("changed"),
            Self::NotApplied => f.write_str("error"),
        }
    }
}

/// A record's bytes are of one key. Which, its line says by itself.
fn anywhere() -> Option<Key> {
    Key::new("", "history", &0).ok()
}

/// The words of a line, one after the other.
struct Words<'a>(std::str::Split<'a, char>);

impl<'a> Words<'a> {
    fn word(&mut self) -> Option<&'a str> {
        self.0.next()
    }

    fn number<T: std::str::FromStr>(&mut self) -> Option<T> {
        self.word()?.parse().ok()
    }

    fn duration(&mut self) -> Option<Duration> {
        self.number().map(Duration::from_micros)
    }

    fn bytes(&mut self) -> Option<Vec<u8>> {
        let hex = self.word()?;
        if hex == "-" {
            return Some(Vec::new());
        }
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok()).collect()
    }

    fn owner(&mut self) -> Option<Owner> {
        Some(Owner::from_bytes(self.bytes()?.try_into().ok()?))
    }

    fn print(&mut self) -> Option<Option<Fingerprint>> {
        let bytes = self.bytes()?;
        if bytes.is_empty() {
            return Some(None);
        }
        Some(Some(Fingerprint::from_bytes(bytes.try_into().ok()?)))
    }

    /// A completion, or the word that stands in its place.
    fn done(&mut self) -> Option<Result<Completion, &'a str>> {
        let (word, bytes) = (self.word()?, self.bytes()?);
        Some(match word {
            "result" => Ok(Completion::Result(Payload::from_bytes(bytes))),
            "unreplayable" => Ok(Completion::Unreplayable),
            other => Err(other),
        })
    }

    fn asked(&mut self) -> Option<Asked> {
        Some(match self.word()? {
            "claim" => {
                let (owner, print) = (self.owner()?, self.print()?);
                let (once, reconciling) = (self.number()?, self.number()?);
                let claim = Claim::new(owner, self.duration()?, self.duration()?);
                Asked::Claim(claim.fingerprint(print).at_most_once(once).reconciling(reconciling))
            }
            "renew" => Asked::Renew(self.owner()?),
            "finish" => {
                let (owner, fence) = (self.owner()?, self.word()?);
                let ending = match self.done()? {
                    Ok(completion) => Ending::Completed(completion),
                    Err("unknown") => Ending::Unknown,
                    Err("withdrawn") => Ending::Withdrawn,
                    Err("failed") => Ending::Failed,
                    Err(_) => return None,
                };
                let fence = if fence == "-" { None } else { Some(fence.parse().ok()?) };
                Asked::Finish(Finish::new(owner, ending).fence(fence))
            }
            "load" => Asked::Load,
            "step" => {
                let (owner, index) = (self.owner()?, self.number()?);
                let step: Step = Steps::from_bytes(&self.bytes()?).ok()?.iter().next()?;
                Asked::SaveStep(SaveStep::new(owner, index, step))
            }
            "settle" => {
                let (owner, fence, done) = (self.owner()?, self.number()?, self.number()?);
                let settlement = match self.done()? {
                    Ok(completion) => Settlement::Completed(completion),
                    Err("forgotten") => Settlement::Forgotten,
                    Err("failed") => Settlement::Failed,
                    Err(_) => return None,
                };
                let nobody = Owner::from_bytes([0; 16]);
                let at = idem_core::Timestamp::from_micros(0);
                let mut settle = Settle::new(&Record::new(idem_core::State::Failed, nobody, at), owner, settlement);
                (settle.fence, settle.done) = (fence, done);
                Asked::Settle(settle)
            }
            _ => return None,
        })
    }

    fn answer(&mut self) -> Option<Answer> {
        Some(match self.word()? {
            "granted" => {
                let grant = Grant::new(self.number()?, self.number()?, self.print()?, self.number()?);
                Answer::Claimed(Claimed::Granted(grant.steps(Steps::from_bytes(&self.bytes()?).ok()?)))
            }
            "completed" => {
                let (print, completion) = (self.print()?, self.done()?.ok()?);
                Answer::Claimed(Claimed::Completed(Completed::new(print, completion, self.duration()?)))
            }
            "running" => {
                let (left, age) = (self.duration()?, self.duration()?);
                Answer::Claimed(Claimed::running(left, age, self.print()?))
            }
            "unknown" => Answer::Claimed(Claimed::indeterminate(self.number()?)),
            "reused" => Answer::Claimed(Claimed::Reused),
            "held" => Answer::Held(Ownership::Held),
            "lost" => Answer::Held(Ownership::Lost),
            "record" => Answer::Loaded(Some(Box::new(Record::from_bytes(&self.bytes()?, &anywhere()?).ok()?))),
            "nothing" => Answer::Loaded(None),
            "settled" => Answer::Settled(Settled::Applied),
            "busy" => Answer::Settled(Settled::running(self.duration()?)),
            "changed" => Answer::Settled(Settled::Changed),
            "error" => Answer::NotApplied,
            _ => return None,
        })
    }
}
