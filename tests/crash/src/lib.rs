//! The world outside: what bodies do to it stays done, whatever becomes of the process.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used)] // test support

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// A directory with a file for each key. A line that is there outlives the process that wrote it.
#[derive(Debug, Clone)]
pub struct World(PathBuf);

/// What a body did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect {
    /// The fencing token of the run.
    pub fence: u64,
    /// Which attempt it was.
    pub attempt: u32,
    /// The process.
    pub pid: u32,
}

/// The world has heard of a higher fence.
#[derive(Debug, PartialEq, Eq)]
pub struct Stale;

impl World {
    /// Makes the directory, if it is not there.
    pub fn new(dir: &Path) -> Self {
        fs::create_dir_all(dir).expect("a directory");
        Self::at(dir)
    }

    /// One that is there. Were it made anew, nobody would notice that what was done in it is gone.
    pub fn at(dir: &Path) -> Self {
        Self(dir.to_owned())
    }

    /// Does it. A fenced world takes nothing from below the highest fence that it has heard of.
    pub fn act(&self, key: &str, effect: &Effect, fenced: bool) -> Result<(), Stale> {
        let (mut file, heard, _) = self.open(key);
        if fenced && heard > effect.fence {
            return Err(Stale);
        }
        write(&mut file, &format!("did {effect}\n"));
        Ok(())
    }

    /// Looks whether it was done. From then on nobody with a lower fence does it in a fenced world, else what was seen
    /// would be true no longer than the look took.
    pub fn look(&self, key: &str, fence: u64) -> Option<Effect> {
        let (mut file, _, effects) = self.open(key);
        write(&mut file, &format!("heard {fence}\n"));
        effects.into_iter().next()
    }

    /// What was done, in its order.
    pub fn effects(&self, key: &str) -> Vec<Effect> {
        self.open(key).2
    }

    /// The key's file, locked, the highest fence in it, and the effects.
    fn open(&self, key: &str) -> (File, u64, Vec<Effect>) {
        let file = OpenOptions::new().create(true).append(true).read(true).open(self.0.join(key));
        let mut file = file.expect("a file");
        file.lock().expect("locked");
        let mut text = String::new();
        file.read_to_string(&mut text).expect("text");
        let (mut heard, mut effects) = (0, Vec::new());
        for line in text.lines() {
            let (what, rest) = line.split_once(' ').expect("two words");
            if what == "did" {
                effects.push(Effect::read(rest).expect("an effect"));
            }
            heard = heard.max(rest.split('.').next().unwrap().parse().expect("a fence"));
        }
        (file, heard, effects)
    }
}

fn write(file: &mut File, line: &str) {
    file.write_all(line.as_bytes()).expect("written");
}

impl Effect {
    /// One that was written down.
    pub fn read(text: &str) -> Option<Self> {
        let mut words = text.split('.');
        let (fence, attempt, pid) = (words.next()?, words.next()?, words.next()?);
        Some(Self { fence: fence.parse().ok()?, attempt: attempt.parse().ok()?, pid: pid.parse().ok()? })
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.fence, self.attempt, self.pid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fenced_world_takes_nothing_from_a_former_owner() {
        let dir = std::env::temp_dir().join(format!("idem-world-{}", std::process::id()));
        let world = World::new(&dir);
        let effect = |fence| Effect { fence, attempt: 1, pid: 2 };
        assert_eq!(world.look("k", 7), None);
        assert_eq!(world.act("k", &effect(6), true), Err(Stale));
        assert_eq!(world.act("k", &effect(7), true), Ok(()));
        assert_eq!(world.look("k", 8), Some(effect(7)));
        assert_eq!(world.act("k", &effect(7), false), Ok(()), "that is what makes an unfenced one");
        assert_eq!(world.effects("k"), [effect(7), effect(7)]);
        fs::remove_dir_all(dir).unwrap();
    }
}
