//! Every course that a call and up to three others of its key can take.

use std::collections::BTreeMap;

use idem::*;

use crate::call::{claim_of, insist, result, Call};
use crate::world::{Step, World};
use crate::Mistake;

/// Plays all stories. Says how many there are, and which laws were broken, each with one example.
pub(crate) fn stories(mistake: Mistake) -> (usize, BTreeMap<u8, &'static str>) {
    let (mut played, mut broken) = (0, BTreeMap::new());
    let mut decisions = Some(Vec::new());
    while let Some(next) = decisions {
        let mut world = World::new(mistake, next);
        if let Err(law) = story(&mut world) {
            broken.entry(law.0).or_insert(law.1);
        }
        played += 1;
        decisions = world.next();
    }
    (played, broken)
}

fn story(world: &mut World) -> Step {
    let mut first = Call::begin(world)?;
    match world.choose(4) {
        0 => first.end(world)?,
        1 => first.dropped(world)?,
        2 => {
            another(world)?;
            first.end(world)?;
        }
        _ => {
            first.stalls(world)?;
            another(world)?;
            first.wakes(world)?;
            let hangs = world.chance();
            if !hangs {
                first.end(world)?;
            }
        }
    }
    another(world)?;
    if world.chance() {
        first.copies(world)?;
    }
    if world.chance() {
        world.crash();
    }
    if world.renewing.is_none() && world.chance() {
        world.forget();
    }
    another(world)
}

/// A call without mistakes comes, or none: it runs its body if it may.
fn another(world: &mut World) -> Step {
    let comes = world.chance();
    if !comes {
        return Ok(());
    }
    let at_most_once = world.chance();
    let claim = claim_of(world.token()).at_most_once(at_most_once);
    let grant = match insist(world, &claim)? {
        Claimed::Granted(grant) => grant,
        Claimed::Completed(theirs) => return world.tell(&theirs.completion),
        _ => return Ok(()),
    };
    let run = world.begin(at_most_once)?;
    let ending = [Ending::Completed(result(run)), Ending::Failed, Ending::Unknown];
    let ending = ending.into_iter().nth(world.choose(3)).expect("three endings");
    if ending == Ending::Failed {
        world.failed(run);
    }
    let held = world.finish(&Finish::new(claim.owner, ending.clone()).fence(Some(grant.fence)))?;
    match ending {
        Ending::Completed(result) if held == Ownership::Held => world.tell(&result),
        _ => Ok(()),
    }
}
