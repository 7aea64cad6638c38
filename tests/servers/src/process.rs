//! Signals, and what `/proc` knows.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{kill_process, set_parent_process_death_signal, Pid, Signal};

/// Whether a process with this id runs: a stopped one does, one that only waits to be reaped does not.
pub fn is_alive(pid: u32) -> bool {
    stat(pid).is_some_and(|(state, _)| !"ZX".contains(state))
}

/// The state's letter and the parent.
fn stat(pid: u32) -> Option<(char, u32)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = text.get(text.rfind(')')? + 1..)?.split_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

fn children(parent: u32) -> Vec<u32> {
    let entries = fs::read_dir("/proc").expect("/proc is there").flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| stat(*pid).is_some_and(|(_, of)| of == parent)).collect()
}

pub(crate) fn signal(pid: u32, signal: Signal) {
    // It may have ended a moment ago.
    let _ = kill_process(Pid::from_raw(pid.try_into().expect("a pid")).expect("a pid"), signal);
}

/// Kills a process and its children at once: like a machine that loses its power.
pub(crate) fn kill_family(pid: u32) {
    // Stopped first, or it would replace the children that die.
    stop(pid);
    let family = family(pid);
    family.iter().for_each(|pid| signal(*pid, Signal::KILL));
    wait_until("killed processes are gone", || !family.iter().any(|pid| is_alive(*pid)));
}

/// Stops a process and its children where they are, with `SIGSTOP`; when this returns they stand still.
pub fn pause(pid: u32) {
    family_of_stopped(pid).into_iter().for_each(stop);
}

/// Lets them go on, the process itself last: it must not find its children unresponsive.
pub fn resume(pid: u32) {
    family(pid).into_iter().rev().for_each(|pid| signal(pid, Signal::CONT));
}

/// Has this process killed when the thread that started it ends: also while it is stopped, and when its parent is killed.
///
/// # Panics
///
/// Never on Linux.
pub fn die_with_parent() {
    set_parent_process_death_signal(Some(Signal::KILL)).expect("a signal");
}

fn family_of_stopped(pid: u32) -> Vec<u32> {
    stop(pid);
    family(pid)
}

fn family(pid: u32) -> Vec<u32> {
    [pid].into_iter().chain(children(pid)).collect()
}

fn stop(pid: u32) {
    signal(pid, Signal::STOP);
    wait_until("a process is stopped", || !stat(pid).is_some_and(|(state, _)| !"TtZX".contains(state)));
}

/// Polls until it holds.
///
/// # Panics
///
/// After 20 seconds.
pub(crate) fn wait_until(what: &str, holds: impl FnMut() -> bool) {
    assert!(holds_within(Duration::from_secs(20), holds), "after 20 s still not: {what}");
}

pub(crate) fn holds_within(limit: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    loop {
        if holds() {
            return true;
        }
        if Instant::now() > deadline {
            return false;
        }
        thread::sleep(Duration::from_millis(5));
    }
}
