//! What calls and bodies left behind, a key at a time.

use std::collections::{BTreeMap, HashMap};
use std::fs::read_to_string;
use std::path::{Path, PathBuf};

use crate::options::Options;
use crate::reigns::{Reign, NEVER};
use crate::verbs::{self, At};

/// All that is known of a function's key.
#[derive(Debug, Default)]
pub(crate) struct Story {
    pub(crate) calls: Vec<Call>,
    /// By their calls.
    pub(crate) bodies: BTreeMap<String, Body>,
    /// Of those, whose effects there are.
    pub(crate) effects: Vec<String>,
    pub(crate) asks: Vec<Asks>,
    pub(crate) reigns: Vec<Reign>,
    /// What all are answered in the end. None where that is unknown.
    pub(crate) record: Option<String>,
}

/// A call and its answer.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) id: String,
    pub(crate) options: Options,
    pub(crate) from: u64,
    /// When it was answered, went away, or was killed.
    pub(crate) to: u64,
    /// As it was noted; empty if it was killed.
    pub(crate) answer: Vec<String>,
}

/// A body that ran.
#[derive(Debug)]
pub(crate) struct Body {
    /// Zero where nothing guarded it.
    pub(crate) fence: u64,
    pub(crate) attempt: u32,
    pub(crate) began: u64,
    /// What it is to come to.
    pub(crate) ends: String,
    /// When it ended or was dropped, and whether it ended.
    pub(crate) ended: Option<(u64, bool)>,
}

/// A question that took a body's place.
#[derive(Debug)]
pub(crate) struct Asks {
    pub(crate) call: String,
    pub(crate) fence: u64,
    pub(crate) told: String,
}

impl Call {
    /// Whose it is: a name that the history has, too.
    pub(crate) fn client(&self) -> &str {
        client(&self.id)
    }

    /// Whether both were under way at a time.
    pub(crate) const fn meets(&self, other: &Self) -> bool {
        self.from <= other.to && other.from <= self.to
    }
}

/// Whose call that is.
pub(crate) fn client(call: &str) -> &str {
    call.rsplit_once('.').map_or("", |(client, _)| client)
}

impl Story {
    pub(crate) fn call(&self, id: &str) -> Result<&Call, String> {
        self.calls.iter().find(|call| call.id == id).ok_or_else(|| format!("nobody called {id}"))
    }

    /// The grant that has this fence.
    pub(crate) fn grant(&self, fence: u64) -> Result<&Reign, String> {
        self.reigns.iter().find(|reign| reign.fence == fence).ok_or_else(|| format!("no grant has fence {fence}"))
    }
}

/// What a line adds to its key's story.
type Take<'a> = &'a mut dyn FnMut(&mut Story, &[String]) -> Result<(), String>;

/// All that was left in `dir`, and in the histories.
pub(crate) fn read(dir: &Path, files: &[PathBuf]) -> Result<BTreeMap<At, Story>, String> {
    let mut stories: BTreeMap<At, Story> = BTreeMap::new();
    let deaths: HashMap<String, u64> =
        lines(dir, "deaths").into_iter().map(|words| (words[0].clone(), words[1].parse().unwrap())).collect();
    let mut answers: HashMap<String, Vec<String>> = by_first(lines(dir, "answers"));
    let mut ends: HashMap<String, Vec<String>> = by_first(lines(dir, "ends"));
    for (at, reigns) in verbs::read(files) {
        stories.entry(at).or_default().reigns = reigns;
    }
    let mut of = |file: &str, take: Take<'_>| {
        lines(dir, file).iter().try_for_each(|words| {
            let at = (words[0].clone(), words[1].parse().unwrap());
            take(stories.entry(at).or_default(), &words[2..])
        })
    };
    of("calls", &mut |story, words| {
        let process = words[0].split('.').next().unwrap();
        let answer = answers.remove(&words[0]).unwrap_or_default();
        let to = answer.first().map(|to| to.parse().unwrap()).or_else(|| deaths.get(process).copied());
        story.calls.push(Call {
            id: words[0].clone(),
            from: words[1].parse().unwrap(),
            to: to.unwrap_or(NEVER),
            options: Options::read(&words[2]),
            answer: answer.into_iter().skip(1).collect(),
        });
        Ok(())
    })?;
    of("bodies", &mut |story, words| {
        let ended = ends.remove(&words[0]).map(|words| (words[0].parse().unwrap(), words[1] == "true"));
        let body = Body {
            fence: words[1].parse().unwrap(),
            attempt: words[2].parse().unwrap(),
            began: words[3].parse().unwrap(),
            ends: words[4].clone(),
            ended,
        };
        let before = story.bodies.insert(words[0].clone(), body);
        before.map_or(Ok(()), |_| Err(format!("two bodies of one call, {}", words[0])))
    })?;
    of("effects", &mut |story, words| {
        story.effects.push(words[0].clone());
        Ok(())
    })?;
    of("asks", &mut |story, words| {
        let (call, fence, told) = (words[0].clone(), words[1].parse().unwrap(), words[2].clone());
        story.asks.push(Asks { call, fence, told });
        Ok(())
    })?;
    of("last", &mut |story, words| {
        let record = recorded(words);
        match (&story.record, &record) {
            (Some(known), Some(record)) if known != record => Err(format!("in the end it is {known}, and {record}")),
            // Unknown at first: the last owner's ending may still land.
            (known, _) => {
                story.record = known.clone().or(record);
                Ok(())
            }
        }
    })?;
    Ok(stories)
}

/// What an answer says of the record: a result, `!` before an error, `~` for one that is not there.
pub(crate) fn recorded(answer: &[String]) -> Option<String> {
    let words: Vec<&str> = answer.iter().map(String::as_str).collect();
    match words[..] {
        [_, "value", run] => Some(run.to_owned()),
        [_, "error", "Final", run] => Some(format!("!{run}")),
        [_, "refused", "Unreplayable", ..] => Some("~".to_owned()),
        _ => None,
    }
}

fn by_first(lines: Vec<Vec<String>>) -> HashMap<String, Vec<String>> {
    lines.into_iter().map(|mut words| (words.remove(0), words)).collect()
}

fn lines(dir: &Path, file: &str) -> Vec<Vec<String>> {
    let text = read_to_string(dir.join(file)).unwrap_or_default();
    text.lines().map(|line| line.split(' ').map(str::to_owned).collect()).collect()
}
