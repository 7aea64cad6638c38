//! Calls each target with its regressions, with changes of them, and with bytes made from seeds.
//!
//! A failure names its seed; `IDEM_SEED` replays that seed alone. `IDEM_FUZZ_INPUTS` is how many seeds each target gets.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::path::Path;
use std::time::Instant;

use idem_fuzz::TARGETS;

const INPUTS: u64 = 3_000;
const LONGEST: u64 = 512;
/// The stack of libFuzzer's main thread.
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

    /// The bytes with a few of them changed, cut or doubled.
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

/// Inputs that once broke the target, by name. A target that was never broken has no directory.
fn regressions(target: &str) -> Vec<(String, Vec<u8>)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("regressions").join(target);
    let Ok(files) = std::fs::read_dir(dir) else { return Vec::new() };
    let mut files: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    files.sort();
    files.iter().map(|file| (file.display().to_string(), std::fs::read(file).expect("an input"))).collect()
}

fn replay(name: &str, target: fn(&[u8])) {
    let given = number("IDEM_SEED");
    let inputs = number("IDEM_FUZZ_INPUTS").unwrap_or(INPUTS);
    let (known, began) = (regressions(name), Instant::now());
    for (file, bytes) in &known {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| target(bytes))) {
            eprintln!("{file} fails again");
            std::panic::resume_unwind(panic);
        }
    }
    for seed in given.map_or(0..inputs, |seed| seed..seed + 1) {
        let mut random = Random(seed);
        let bytes = match random.below(4) {
            0 if !known.is_empty() => {
                let (_, bytes) = known[random.below(known.len() as u64)].clone();
                random.changed(bytes)
            }
            _ => random.bytes(),
        };
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| target(&bytes))) {
            eprintln!("{name}: IDEM_SEED={seed} makes {bytes:?}");
            std::panic::resume_unwind(panic);
        }
    }
    println!("{name}: {} regressions, {inputs} seeds, {:?}", known.len(), began.elapsed());
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
