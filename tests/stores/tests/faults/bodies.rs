//! Whether bodies ran as the store granted it; and those that nothing granted, as it was chosen.

use crate::reigns::Reign;
use crate::story::{client, Body, Story};

/// What is wrong with a key's bodies, in an error.
pub(crate) fn judge(name: &str, story: &Story) -> Result<(), String> {
    for (run, body) in &story.bodies {
        let judged = if body.fence == 0 { unguarded(story, run, body) } else { granted(story, run, body) };
        judged.map_err(|why| format!("{run}: {why}"))?;
        if story.call(run)?.options.detached && body.ended.is_some_and(|(_, whole)| !whole) {
            return Err(format!("{run}: detached, and dropped"));
        }
    }
    let mut guarded: Vec<&Body> = story.bodies.values().filter(|body| body.fence > 0).collect();
    guarded.sort_by_key(|body| body.fence);
    for two in guarded.windows(2) {
        if two[0].fence == two[1].fence {
            return Err(format!("two bodies of grant {}", two[0].fence));
        }
        if name == "once" && !denied(story, two[1].fence) {
            return Err(format!("at most once, and {} bodies", guarded.len()));
        }
    }
    for asks in &story.asks {
        let call = story.call(&asks.call)?;
        if !call.options.reconcile || !story.grant(asks.fence)?.after_unknown {
            return Err(format!("{} asked, and nothing was unknown", asks.call));
        }
    }
    crate::reigns::under_live_leases(&story.reigns)
}

/// Whether it was asked under this grant, and there had been no effect.
fn denied(story: &Story, fence: u64) -> bool {
    story.asks.iter().any(|asks| asks.fence == fence && asks.told == "nothing")
}

fn granted(story: &Story, run: &str, body: &Body) -> Result<(), String> {
    let grant = story.grant(body.fence)?;
    if grant.client != client(run) {
        return Err(format!("{} was granted that", grant.client));
    }
    if grant.attempt != body.attempt {
        return Err(format!("attempt {} was granted", grant.attempt));
    }
    if grant.reconciling && grant.after_unknown && !denied(story, body.fence) {
        return Err("an earlier attempt's outcome is unknown, and nobody asked".into());
    }
    Ok(())
}

/// What nothing guards may run beside other processes, again, and after a result. Nothing else is left to it.
fn unguarded(story: &Story, run: &str, body: &Body) -> Result<(), String> {
    let call = story.call(run)?;
    if !call.options.fail_open || call.options.at_most_once {
        return Err("unguarded, and that was not chosen".into());
    }
    let of_its_client = |reign: &&Reign| reign.client == call.client();
    let failed = |reign: &Reign| reign.failed.iter().any(|sent| (call.from..=body.began).contains(sent));
    if !story.reigns.iter().filter(of_its_client).any(failed) {
        return Err("unguarded, and the store had answered".into());
    }
    let over = |body: &Body| body.ended.map_or(u64::MAX, |(at, _)| at);
    let beside = story.bodies.iter().find(|(other, beside)| {
        *other != run && client(other) == client(run) && beside.began < over(body) && body.began < over(beside)
    });
    beside.map_or(Ok(()), |(other, _)| Err(format!("unguarded, beside {other} of its own process")))
}
