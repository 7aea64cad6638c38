//! What the store was asked for functions' keys, and answered: an owner at a time.

use std::collections::{BTreeMap, HashMap};
use std::fs::read_to_string;
use std::path::PathBuf;

use idem::Key;

use crate::reigns::{End, Ending, Reign};

/// A function's key: its name and number.
pub(crate) type At = (String, u64);

/// What the store was asked for functions' keys, and answered.
pub(crate) fn read(files: &[PathBuf]) -> BTreeMap<At, Vec<Reign>> {
    let mut all: BTreeMap<At, HashMap<String, Reign>> = BTreeMap::new();
    for file in files {
        let text = read_to_string(file).unwrap();
        let mut open: HashMap<&str, (At, Vec<&str>, u64)> = HashMap::new();
        // A line that a kill cut short is none.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        for words in whole.lines().map(|line| line.split(' ').collect::<Vec<_>>()) {
            if words[0] == "?" && words.len() > 5 {
                let key = Key::from_bytes(&bytes(words[4])).unwrap();
                if key.operation() == "raw" {
                    continue;
                }
                let at = (key.operation().to_owned(), key.readable().parse().unwrap());
                let (verb, sent) = (words[5..].to_vec(), words[2].parse().unwrap());
                let reign = all.entry(at.clone()).or_default().entry(verb[1].to_owned()).or_default();
                reign.asked(&verb, sent, || String::from_utf8(bytes(words[3])).unwrap());
                open.insert(words[1], (at, verb, sent));
            } else if let Some((at, verb, sent)) = (words[0] == "!").then(|| open.remove(words[1])).flatten() {
                let reign = all.get_mut(&at).and_then(|owners| owners.get_mut(verb[1])).unwrap();
                reign.answered(&verb, sent, words[2].parse().unwrap(), &words[3..]);
            }
        }
        for (at, verb, sent) in open.into_values() {
            let reign = all.get_mut(&at).and_then(|owners| owners.get_mut(verb[1])).unwrap();
            match verb[0] {
                "claim" => {
                    reign.silent.push(sent);
                    reign.failed.push(sent);
                }
                "renew" => reign.renewing = true,
                _ => {}
            }
        }
    }
    all.into_iter().map(|(at, owners)| (at, owners.into_values().collect())).collect()
}

impl Reign {
    fn asked(&mut self, verb: &[&str], sent: u64, client: impl Fn() -> String) {
        match *verb {
            ["claim", _, print, once, reconciling, ..] if self.client.is_empty() => {
                self.fingerprint = (print != "-").then(|| print.to_owned());
                (self.at_most_once, self.reconciling) = (once == "true", reconciling == "true");
                (self.client, self.sent) = (client(), sent);
            }
            ["finish", _, _, ref ending @ ..] => {
                self.ends.push(End { sent, held: None, ending: Ending::of(ending) });
            }
            _ => {}
        }
    }

    fn answered(&mut self, verb: &[&str], sent: u64, heard: u64, answer: &[&str]) {
        match (verb[0], answer) {
            ("claim", ["granted", fence, attempt, print, after_unknown, ..]) => {
                (self.fence, self.attempt) = (fence.parse().unwrap(), attempt.parse().unwrap());
                (self.after_unknown, self.fingerprint) = (*after_unknown == "true", known(print));
                self.kept.push((sent, heard));
            }
            ("claim", ["completed", ..]) => self.told_done.push(heard),
            ("claim", ["error"]) => self.failed.push(sent),
            ("renew", ["held"]) => self.kept.push((sent, heard)),
            ("finish", ["held"]) => {
                self.ends.iter_mut().filter(|end| end.sent == sent).for_each(|end| end.held = Some(heard));
            }
            _ => {}
        }
    }
}

fn known(print: &str) -> Option<String> {
    (print != "-").then(|| print.to_owned())
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

impl Ending {
    fn of(words: &[&str]) -> Self {
        match *words {
            // Behind version, codec, side and checksum.
            ["result", payload] => {
                Self::Result(payload.get(22..).unwrap_or_default().into(), payload.get(4..6) == Some("01"))
            }
            ["unreplayable", _] => Self::Unreplayable,
            ["failed", _] => Self::Failed,
            ["unknown", _] => Self::Unknown,
            ["withdrawn", _] => Self::Withdrawn,
            _ => panic!("no ending: {words:?}"),
        }
    }
}
