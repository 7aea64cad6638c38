//! Whether what callers were told is what is recorded, or their own.

use crate::reigns::{Ending, NEVER};
use crate::story::{recorded, Call, Story};

/// How an answer stands to the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// It is the record's.
    Recorded,
    /// It is a result that reached only its caller.
    Own,
    /// It is nothing that is ever recorded.
    Nothing,
}

/// What is wrong with an answer, in an error.
pub(crate) fn judge(story: &Story, call: &Call) -> Result<Told, String> {
    let words: Vec<&str> = call.answer.iter().map(String::as_str).collect();
    let (kind, error, run) = match words[..] {
        [kind, "value", run] => (kind, "", run),
        [kind, "error", error, run] => (kind, error, run),
        _ => return Ok(Told::Nothing),
    };
    let (ran, own) = (matches!(kind, "Executed" | "Unguarded"), run.trim_start_matches('~') == call.id);
    if ran && !own {
        return Err("it ran, and this is another's".into());
    }
    let unguarded = story.bodies.get(&call.id).is_some_and(|body| body.fence == 0);
    if ran && unguarded != (kind == "Unguarded") {
        return Err("that is not how it ran".into());
    }
    if let Some(asked) = story.asks.iter().find(|asks| asks.call == call.id).filter(|_| kind == "Reconciled") {
        let told = if error == "Unsure" { "unsure" } else { run };
        if asked.told != told {
            return Err(format!("it asked, and was told {}", asked.told));
        }
    } else if kind == "Reconciled" {
        return Err("it never asked".into());
    }
    match error {
        "Nothing" | "Unknown" if !ran => return Err("that is never recorded".into()),
        "Unsure" if kind != "Reconciled" => return Err("that is never recorded".into()),
        "Nothing" | "Unknown" | "Unsure" => return Ok(Told::Nothing),
        "Final" if ran && !call.options.record_err => return Ok(Told::Nothing),
        "Final" if !call.options.record_err => return Err("that it does not record, and cannot read".into()),
        _ => {}
    }
    if run.starts_with('~') {
        return if ran || kind == "Reconciled" { Ok(Told::Own) } else { Err("that cannot be recorded".into()) };
    }
    let result = recorded(&call.answer);
    if story.record == result {
        return Ok(Told::Recorded);
    }
    // Its own, or nobody's.
    let this = Ending::Result(hex(error, run), error == "Final");
    let is_sent = story.reigns.iter().any(|reign| reign.sent(NEVER, |ending| *ending == this));
    let ends = || story.reigns.iter().flat_map(|reign| &reign.ends);
    let is_held = ends().any(|end| end.ending == this && end.held.is_some());
    let may_be_own = ran || kind == "Reconciled";
    if !may_be_own || is_held || !(is_sent || kind == "Unguarded") {
        return Err(format!("the record says {:?}; sent {is_sent}, held {is_held}", story.record));
    }
    Ok(Told::Own)
}

/// Whether what is recorded is what a body came to.
pub(crate) fn judge_record(story: &Story) -> Result<(), String> {
    let Some(record) = story.record.as_deref().filter(|record| *record != "~") else { return Ok(()) };
    let body = story.bodies.get(record.trim_start_matches('!'));
    let ends = body.ok_or_else(|| format!("the record says {record}, which never ran"))?.ends.as_str();
    // Of an attempt that nobody heard of again, it is asked whether it had its effect.
    let as_it_was = if record.starts_with('!') { ends == "Final" } else { matches!(ends, "Well" | "Unknown") };
    if !as_it_was {
        return Err(format!("the record says {record}, which ended as {ends}"));
    }
    Ok(())
}

/// A result as JSON has it, in hex.
fn hex(error: &str, run: &str) -> String {
    let json = if error.is_empty() { format!("\"{run}\"") } else { format!("{{\"{error}\":\"{run}\"}}") };
    json.bytes().map(|byte| format!("{byte:02x}")).collect()
}
