use std::thread;
use std::time::{Duration, Instant};

pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "after 20 s still not: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Of every process: its id, and its working directory where that can be seen.
pub(crate) fn processes_in(dir: &std::path::Path) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(dir))).collect()
}
