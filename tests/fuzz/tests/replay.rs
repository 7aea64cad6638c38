//! Each target over its corpus, and over changes of it and bytes of their own that a seed makes.
//!
//! `IDEM_SEED` gives the seed back that a failure told; `IDEM_FUZZ_INPUTS` says how many inputs each target gets.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::path::Path;
use std::time::Instant;

use idem_fuzz::TARGETS;

const INPUTS: u64 = 3_000;
const LONGEST: u64 = 512;
/// As libFuzzer's main thread has it.
const STACK: usize = 8 * 1024 * 1024;

/// Steele's splitmix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> usize {
        (self.next() % limit.max(1)) as usize
    }

    fn bytes(&mut self) -> Vec<u8> {
        (0..self.below(LONGEST)).map(|_| self.next() as u8).collect()
    }

    /// A seed of the corpus with a few bytes changed, cut or doubled.
    fn changed(&mut self, mut bytes: Vec<u8>) -> Vec<u8> {
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len() as u64 + 1);
            match self.below(4) {
                0 => bytes.insert(at, self.next() as u8),
                1 => bytes.truncate(at),
                2 => bytes.extend_from_within(at..),
                _ => {
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte ^= 1 << self.below(8);
                    }
                }
            }
        }
        bytes.truncate(4096);
        bytes
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let files = std::fs::read_dir(dir).expect("the corpus").map(|file| file.expect("a file").path());
    let mut files: Vec<_> = files.collect();
    files.sort();
    files.iter().map(|file| std::fs::read(file).expect("a seed")).collect()
}

fn replay(name: &str, target: fn(&[u8])) {
    let given = number("IDEM_SEED");
    let inputs = number("IDEM_FUZZ_INPUTS").unwrap_or(INPUTS);
    let (corpus, began) = (corpus(name), Instant::now());
    for bytes in &corpus {
        target(bytes);
    }
    for seed in given.map_or(0..inputs, |seed| seed..seed + 1) {
        let mut random = Random(seed);
        let bytes = match random.below(4) {
            0 => random.bytes(),
            _ if corpus.is_empty() => random.bytes(),
            _ => {
                let seed = corpus[random.below(corpus.len() as u64)].clone();
                random.changed(seed)
            }
        };
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| target(&bytes))) {
            eprintln!("{name}: IDEM_SEED={seed} makes {bytes:?}");
            std::panic::resume_unwind(panic);
        }
    }
    println!("{name}: {} of the corpus, {inputs} of seeds, {:?}", corpus.len(), began.elapsed());
}

fn on_a_stack(name: &'static str) {
    let (_, target) = TARGETS.into_iter().find(|(known, _)| *known == name).expect("a target");
    let thread = std::thread::Builder::new().stack_size(STACK).spawn(move || replay(name, target));
    if let Err(panic) = thread.expect("a thread").join() {
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn keys() {
    on_a_stack("keys");
}

#[test]
fn fingerprints() {
    on_a_stack("fingerprints");
}

#[test]
fn attribute() {
    on_a_stack("attribute");
}

#[test]
fn codecs() {
    on_a_stack("codecs");
}

#[test]
fn records() {
    on_a_stack("records");
}

#[test]
fn calls() {
    on_a_stack("calls");
}

/// On the stack of a tokio worker: a fingerprint, or an error.
#[test]
fn a_value_ten_thousand_deep() {
    let deep = || [false, true].map(|lists| idem_fuzz::fingerprints::deep(10_000, lists));
    std::thread::Builder::new().stack_size(2 * 1024 * 1024).spawn(deep).expect("a thread").join().expect("no panic");
}
