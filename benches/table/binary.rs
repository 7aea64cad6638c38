//! The machine code of a program, and how long it takes to build.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Bytes of `.text` of the release build of the crate in this folder.
pub(crate) fn code(folder: &Path) -> usize {
    let target = folder.join("target");
    build(folder, &target);
    let elf = std::fs::read(target.join("release/expansion")).expect("it is built");
    text(&elf).expect("an ELF file of 64 bits")
}

/// How long it takes when nothing is built yet.
pub(crate) fn clean_build(folder: &Path) -> Duration {
    let target = folder.join("target");
    std::fs::remove_dir_all(&target).expect("it can be removed");
    let began = Instant::now();
    build(folder, &target);
    began.elapsed()
}

fn build(folder: &Path, target: &Path) {
    let args = ["build", "-q", "--release", "--target-dir"];
    let built = Command::new(env!("CARGO")).args(args).arg(target).current_dir(folder).status().expect("cargo runs");
    assert!(built.success(), "{} builds", folder.display());
}

/// The size of the section of that name.
fn text(elf: &[u8]) -> Option<usize> {
    let number = |at: usize, bytes: usize| -> Option<usize> {
        let field = elf.get(at..at + bytes)?;
        Some(field.iter().rev().fold(0, |sum, byte| sum << 8 | usize::from(*byte)))
    };
    let (table, each, count, names) = (number(0x28, 8)?, number(0x3a, 2)?, number(0x3c, 2)?, number(0x3e, 2)?);
    let names = number(table + names * each + 0x18, 8)?;
    let header = (0..count).map(|n| table + n * each).find(|header| {
        let name = number(*header, 4).unwrap_or_default();
        elf.get(names + name..).is_some_and(|name| name.starts_with(b".text\0"))
    })?;
    number(header + 0x20, 8)
}
