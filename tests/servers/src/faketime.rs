//! A server's clock, to be set by the test: it stands still, and is what it was last set to. The server itself is the real one;
//! libfaketime stands between it and the system.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

const FILE: &str = "clock";

/// Sets the clock of what runs in `dir`, in microseconds since 1970.
pub(crate) fn set(dir: &Path, micros: u64) {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let new = dir.join(format!("clock.{}", NEXT.fetch_add(1, Ordering::Relaxed)));
    let file = dir.join(FILE);
    fs::write(&new, format!("{}\n", date(micros))).expect("the directory can be written to");
    // As a whole: the server may read it at any moment.
    fs::rename(new, file).expect("the directory can be written to");
}

/// What stands before a command in `dir`, if a clock was set there.
pub(crate) fn before(dir: &Path) -> Vec<String> {
    let file = dir.join(FILE);
    if !file.exists() {
        return Vec::new();
    }
    vec![
        "env".into(),
        "TZ=UTC".into(),
        format!("LD_PRELOAD={}", library().display()),
        format!("FAKETIME_TIMESTAMP_FILE={}", file.display()),
        "FAKETIME_NO_CACHE=1".into(),
        // How long things take is not faked.
        "DONT_FAKE_MONOTONIC=1".into(),
    ]
}

fn library() -> PathBuf {
    let folders = fs::read_dir("/usr/lib").into_iter().flatten().flatten().map(|entry| entry.path());
    let found = folders.map(|folder| folder.join("faketime/libfaketimeMT.so.1")).find(|file| file.exists());
    found.unwrap_or_else(|| panic!("libfaketime is missing: apt-get install faketime"))
}

/// `2023-11-14 22:13:20.000000`, by the days of the civil calendar.
fn date(micros: u64) -> String {
    let (seconds, fraction) = (micros / 1_000_000, micros % 1_000_000);
    let (days, second) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{fraction:06}")
}

#[cfg(test)]
mod tests {
    #[test]
    fn dates() {
        assert_eq!(super::date(0), "1970-01-01 00:00:00.000000");
        assert_eq!(super::date(1_700_000_000_123_456), "2023-11-14 22:13:20.123456");
        assert_eq!(super::date(1_709_164_800_000_000), "2024-02-29 00:00:00.000000");
        assert_eq!(super::date(4_102_444_799_999_999), "2099-12-31 23:59:59.999999");
    }
}
