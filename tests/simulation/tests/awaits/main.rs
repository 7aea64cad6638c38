//! Every await: drops, panics, crashes, stops, lost answers and second calls, each at every point of every path.
//!
//! A world that breaks a law is named; `IDEM_WORLD=name` plays it again and shows its history. `IDEM_LONG=1` plays the long
//! run: two things in one world, and a second call in every trouble of every path. `IDEM_PATH=text` keeps to paths whose
//! names have it, `IDEM_SEED` changes the pauses' jitter.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod body;
mod calls;
mod every;
mod exec;
mod history;
mod judge;
mod path;
mod play;
mod stage;
mod store;
mod world;

use std::collections::BTreeMap;

use every::Every;
use path::Path;
use world::World;

#[test]
fn one_thing_at_every_point() {
    report("one thing at every point", path::all(), Every::alone);
}

#[test]
fn a_second_call_at_every_point() {
    report("a second call at every point", path::all(), |every, path| every.seconds(&World::of(path)));
}

#[test]
fn a_second_call_that_leaves_at_every_point() {
    let paths = if is_long() { path::all() } else { path::core() };
    report("a second call that leaves at every point", paths, Every::seconds_that_leave);
}

#[test]
fn a_second_call_in_every_trouble() {
    let paths = if is_long() { path::all() } else { path::core() };
    report("a second call in every trouble", paths, Every::seconds_in_trouble);
}

#[test]
fn two_things_at_every_two_points() {
    let paths = if is_long() { path::all() } else { Vec::new() };
    report("two things at every two points", paths, Every::pairs);
}

#[test]
fn the_same_world_is_the_same_history() {
    let worlds = ["drop-6", "crash-5", "stop-4-Long", "verb-0-Lost", "verb-1-Late", "outage-1-Silent"];
    let seconds = ["second-3-here-waits-same-stays", "second-2-there-waits-same-stays"];
    for (world, second) in worlds.iter().flat_map(|world| seconds.iter().map(move |second| (world, second))) {
        let name = format!("Nothing.Slow.Ok.Asking.Builder/{world}/{second}");
        let world = World::named(&name).expect("a world's name");
        assert_eq!(world.to_string(), name);
        // Only the tokens are others each time.
        let history = || play::play(&world, 1).events.iter().map(|event| (event.at, event.shape())).collect::<Vec<_>>();
        assert_eq!(history(), history(), "{name}");
    }
}

#[test]
fn the_world_of_this_name() {
    let Ok(name) = std::env::var("IDEM_WORLD") else { return };
    let world = World::named(&name).expect("a world's name");
    let played = play::play(&world, seed());
    played.events.iter().for_each(|event| println!("{event:?}"));
    println!("happened: {:?}, a second call came: {}", played.fired, played.second_came);
    let wrong = judge::judge(&world, &played, None);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn is_long() -> bool {
    std::env::var_os("IDEM_LONG").is_some()
}

fn seed() -> u64 {
    std::env::var("IDEM_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_default()
}

/// Plays all worlds of a kind on all paths, says how many there were, and what is wrong.
fn report(what: &str, mut paths: Vec<Path>, worlds: impl Fn(&mut Every, Path)) {
    if let Ok(named) = std::env::var("IDEM_PATH") {
        let exact = paths.iter().any(|path| path.to_string() == named);
        paths.retain(|path| if exact { path.to_string() == named } else { path.to_string().contains(&named) });
    }
    let mut every = Every::new(seed());
    let (mut count, mut fewest, mut most) = (0, usize::MAX, 0);
    for path in paths {
        if every.is_enough() {
            break;
        }
        let before = every.worlds;
        worlds(&mut every, path);
        let here = every.worlds - before;
        count += 1;
        (fewest, most) = (fewest.min(here), most.max(here));
        if is_long() {
            println!("    {what}: {path}: {here} worlds");
        }
    }
    if count > 0 {
        println!("awaits: {what}: {} worlds on {count} paths, {fewest} to {most} on each", every.worlds);
    }
    // One of each kind, for they come in crowds.
    let mut seen = BTreeMap::new();
    for (name, wrong) in &every.failed {
        let kind = wrong[0].split_once(' ').map_or("", |(_, what)| what);
        seen.entry(kind).or_insert((0, name)).0 += 1;
    }
    seen.iter().for_each(|(kind, (count, name))| println!("{count} times: {kind}\n    IDEM_WORLD={name}"));
    assert!(
        seen.is_empty(),
        "{} of {} worlds break a law (IDEM_SEED={})",
        every.failed.len(),
        every.worlds,
        every.seed
    );
}
