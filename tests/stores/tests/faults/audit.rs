//! What bodies did, beside what callers were told and what the store was asked.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::fs::read_to_string;
use std::path::{Path, PathBuf};

use idem::Key;

use crate::clients::LEASE;

/// Figures.
#[derive(Debug, Default)]
pub(crate) struct Audited {
    keys: usize,
    effects: usize,
    /// Keys with more than one.
    repeated: usize,
    answers: usize,
    /// Values that reached only their own callers, for they could not be recorded.
    own: usize,
    /// Keys whose outcome is unknown in the end, and that must not run again.
    unknown: usize,
}

/// A body that ran.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Effect {
    fence: u64,
    attempt: u32,
    run: String,
}

/// A key that was granted.
#[derive(Debug, Default, Clone)]
struct Reign {
    fence: u64,
    /// When claims and renewals were sent that were granted and held.
    kept: Vec<u64>,
    /// When an ending was first sent.
    ended: Option<u64>,
}

/// What was asked of the store for one function's key.
#[derive(Debug, Default)]
struct Asked {
    reigns: HashMap<String, Reign>,
    /// Results that were sent, and those of them that the store said it has.
    sent: BTreeSet<String>,
    held: BTreeSet<String>,
}

type At = (String, u64);

/// What is wrong, in an error.
pub(crate) fn audit(dir: &Path, files: &[PathBuf]) -> Result<Audited, String> {
    let mut audited = Audited::default();
    let asked = asked(files);
    let mut effects: BTreeMap<At, Vec<Effect>> = BTreeMap::new();
    for words in lines(dir, "effects") {
        let effect =
            Effect { run: words[2].clone(), fence: words[3].parse().unwrap(), attempt: words[4].parse().unwrap() };
        effects.entry((words[0].clone(), words[1].parse().unwrap())).or_default().push(effect);
    }
    let mut last: BTreeMap<At, Option<String>> = BTreeMap::new();
    for words in lines(dir, "last") {
        let n = words[1].parse().unwrap();
        let value = (words[2] != "error").then(|| words[3].clone());
        let known = last.entry((words[0].clone(), n)).or_insert_with(|| value.clone());
        // Unknown at first: the last owner's ending may still land.
        if *known != value && known.is_some() && value.is_some() {
            return Err(format!("in the end {} {n} is answered {known:?}, and {value:?}", words[0]));
        }
        if known.is_none() {
            *known = value;
        }
    }
    audited.unknown += last.values().filter(|value| value.is_none()).count();
    for words in lines(dir, "answers").into_iter().chain(lines(dir, "last")) {
        audited.answers += 1;
        if words[2] == "error" {
            continue;
        }
        let at = (words[0].clone(), words[1].parse().unwrap());
        let (value, of) = (&words[3], format!("{} {}", words[0], words[1]));
        if last.get(&at).is_some_and(|last| last.as_ref() == Some(value)) {
            continue;
        }
        // Its own, or nobody's.
        audited.own += 1;
        let asked = asked.get(&at).ok_or("nobody asked")?;
        if words[2] != "Executed" {
            return Err(format!("{of} was answered {} {value}, and the record says {:?}", words[2], last.get(&at)));
        }
        if !asked.sent.contains(&hex(value)) || asked.held.contains(&hex(value)) {
            return Err(format!("{of} ran as {value}, and the record says {:?}: sent and refused?", last.get(&at)));
        }
    }
    for (at, effects) in &mut effects {
        effects.sort();
        audited.keys += 1;
        audited.effects += effects.len();
        audited.repeated += usize::from(effects.len() > 1);
        let of = format!("{} {}: {effects:?}", at.0, at.1);
        if at.0 == "once" && effects.len() > 1 {
            return Err(format!("at most once, and {of}"));
        }
        if effects.windows(2).any(|two| two[0].fence == two[1].fence || two[0].attempt >= two[1].attempt) {
            return Err(format!("two bodies of one grant, or attempts that fall: {of}"));
        }
        if let Some(Some(value)) = last.get(at) {
            if !effects.iter().any(|effect| effect.run == *value) {
                return Err(format!("the record says {value}, which never ran: {of}"));
            }
        }
        asked.get(at).ok_or("nobody asked")?.under_live_leases(effects).map_err(|why| format!("{why}: {of}"))?;
    }
    Ok(audited)
}

impl Asked {
    /// Whether a body ran whose key was granted while another's lease was not over.
    fn under_live_leases(&self, effects: &[Effect]) -> Result<(), String> {
        let mut reigns: Vec<&Reign> = self.reigns.values().filter(|reign| reign.fence > 0).collect();
        reigns.sort_by_key(|reign| reign.fence);
        for effect in effects {
            if !reigns.iter().any(|reign| reign.fence == effect.fence) {
                return Err(format!("no grant has fence {}", effect.fence));
            }
        }
        let lease = u64::try_from(LEASE.as_micros()).unwrap();
        for two in reigns.windows(2) {
            let next = two[1].fence;
            let kept = two[0].kept.iter().filter(|sent| **sent < next).max().copied().unwrap_or_default();
            if kept + lease > next && two[0].ended.is_none_or(|ended| ended > next) {
                return Err(format!("granted at {next}, while a lease was live that was asked for at {kept}"));
            }
        }
        Ok(())
    }
}

/// What the store was asked for functions' keys, and answered.
fn asked(files: &[PathBuf]) -> BTreeMap<At, Asked> {
    let mut all: BTreeMap<At, Asked> = BTreeMap::new();
    for file in files {
        let text = read_to_string(file).unwrap();
        let mut open: HashMap<&str, (At, Vec<&str>, u64)> = HashMap::new();
        for words in text.lines().map(|line| line.split(' ').collect::<Vec<_>>()) {
            if words[0] == "?" && words.len() > 5 {
                let key = Key::from_bytes(&bytes(words[4])).unwrap();
                if key.operation() == "raw" {
                    continue;
                }
                let at = (key.operation().to_owned(), key.readable().parse().unwrap());
                let (verb, sent) = (words[5..].to_vec(), words[2].parse().unwrap());
                let asked = all.entry(at.clone()).or_default();
                if verb[0] == "finish" {
                    let reign = asked.reigns.entry(verb[1].to_owned()).or_default();
                    reign.ended = Some(reign.ended.map_or(sent, |ended| ended.min(sent)));
                    asked.sent.extend((verb[3] == "result").then(|| content(verb[4])));
                }
                open.insert(words[1], (at, verb, sent));
            } else if let Some((at, verb, sent)) = (words[0] == "!").then(|| open.remove(words[1])).flatten() {
                let asked = all.get_mut(&at).unwrap();
                match (verb[0], words[3]) {
                    ("claim", "granted") => {
                        let reign = asked.reigns.entry(verb[1].to_owned()).or_default();
                        reign.fence = words[4].parse().unwrap();
                        reign.kept.push(sent);
                    }
                    ("renew", "held") => asked.reigns.entry(verb[1].to_owned()).or_default().kept.push(sent),
                    ("finish", "held") => asked.held.extend((verb[3] == "result").then(|| content(verb[4]))),
                    _ => {}
                }
            }
        }
    }
    all
}

fn lines(dir: &Path, file: &str) -> Vec<Vec<String>> {
    let text = read_to_string(dir.join(file)).unwrap_or_default();
    text.lines().map(|line| line.split(' ').map(str::to_owned).collect()).collect()
}

/// A result as JSON has it.
fn hex(value: &str) -> String {
    format!("\"{value}\"").bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// What the codec wrote, in the hex of what is recorded: behind version, codec, side and checksum.
fn content(recorded: &str) -> String {
    recorded.get(22..).unwrap_or_default().to_owned()
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

impl Audited {
    pub(crate) fn add(&mut self, other: Self) {
        let Self { keys, effects, repeated, answers, own, unknown } = other;
        self.keys += keys;
        self.effects += effects;
        self.repeated += repeated;
        self.answers += answers;
        self.own += own;
        self.unknown += unknown;
    }
}

impl fmt::Display for Audited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { keys, effects, repeated, answers, own, unknown } = self;
        write!(
            f,
            "{answers} calls answered, {effects} effects on {keys} keys ({repeated} with more than one), {own} values that \
             reached only their caller, {unknown} outcomes unknown"
        )
    }
}
