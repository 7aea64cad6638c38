//! A world as the checker sees it.

use stateright::{Model, Property};

use crate::acts::Act;
use crate::law::Law;
use crate::met::Event;
use crate::state::State;
use crate::world::World;

macro_rules! laws {
    ($($number:literal)*) => {
        [$(Property::<World>::always(Law::ALL[$number].1, |_, state| state.broken != Some(Law::ALL[$number].0))),*]
    };
}

macro_rules! events {
    ($($number:literal)*) => {
        [$(Property::<World>::sometimes(Event::ALL[$number].1, |world, _| world.met.is_news(Event::ALL[$number].0))),*]
    };
}

impl Model for World {
    type State = State;
    type Action = Act;

    fn init_states(&self) -> Vec<State> {
        vec![State::new(self.clock_steps)]
    }

    fn actions(&self, state: &State, acts: &mut Vec<Act>) {
        self.can(state, acts);
    }

    fn next_state(&self, last: &State, act: Act) -> Option<State> {
        let mut state = last.clone();
        self.happens(&mut state, act);
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let laws = laws!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20);
        let events = events!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21);
        let events = events.into_iter().filter(|event| self.expects(event.name));
        laws.into_iter().chain(events).collect()
    }
}

impl World {
    /// Whether an event must be met, for this world has all that it needs.
    fn expects(&self, name: &str) -> bool {
        self.must_meet.iter().any(|event| Event::ALL[*event as usize].1 == name)
    }
}
