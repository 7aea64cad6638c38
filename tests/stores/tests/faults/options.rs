//! How one call is made: drawn by a seed, and noted beside what it was answered.

use std::fmt;

use crate::dice::Dice;

/// How a call is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Options {
    /// As the attribute has it. Otherwise the builder.
    pub(crate) attribute: bool,
    pub(crate) at_most_once: bool,
    pub(crate) reconcile: bool,
    pub(crate) record_err: bool,
    pub(crate) detached: bool,
    /// It does not wait for others.
    pub(crate) no_wait: bool,
    /// Its client runs without the store, if it must.
    pub(crate) fail_open: bool,
    pub(crate) fingerprint: Option<&'static str>,
}

/// The functions that there are. Each key has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Function {
    Call,
    Once,
    Asks,
    Far,
}

const PRINTS: [&str; 2] = ["a", "b"];

impl Function {
    pub(crate) const fn of(n: u64) -> Self {
        match n % 8 {
            0 | 4 => Self::Once,
            1 => Self::Asks,
            5 => Self::Far,
            _ => Self::Call,
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Once => "once",
            Self::Asks => "asks",
            Self::Far => "far",
        }
    }
}

impl Options {
    pub(crate) fn of(n: u64, dice: &mut Dice) -> Self {
        let (function, attribute) = (Function::of(n), dice.one_in(2));
        let often = |dice: &mut Dice| Some(PRINTS[usize::from(dice.one_in(4))]);
        if attribute {
            return Self {
                attribute,
                at_most_once: function == Function::Once,
                reconcile: function == Function::Asks,
                record_err: matches!(function, Function::Asks | Function::Far),
                detached: function == Function::Far,
                fingerprint: if function == Function::Asks { often(dice) } else { None },
                ..Self::default()
            };
        }
        Self {
            at_most_once: function == Function::Once || dice.one_in(24),
            reconcile: dice.one_in(3),
            record_err: dice.one_in(2),
            detached: dice.one_in(4),
            no_wait: dice.one_in(8),
            fingerprint: if dice.one_in(2) { often(dice) } else { None },
            ..Self::default()
        }
    }

    /// How a key is looked at when all is over: what is recorded can be read, whatever it is.
    pub(crate) fn at_last(n: u64) -> Self {
        let at_most_once = Function::of(n) == Function::Once;
        Self { at_most_once, record_err: true, ..Self::default() }
    }

    /// What was written.
    pub(crate) fn read(words: &str) -> Self {
        let has = |letter| words.contains(letter);
        Self {
            attribute: has('A'),
            at_most_once: has('M'),
            reconcile: has('R'),
            record_err: has('E'),
            detached: has('D'),
            no_wait: has('W'),
            fail_open: has('O'),
            fingerprint: PRINTS.into_iter().find(|print| words.contains(print)),
        }
    }
}

impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { attribute, at_most_once, reconcile, record_err, detached, no_wait, fail_open, fingerprint } = *self;
        let letters = [
            (attribute, 'A'),
            (at_most_once, 'M'),
            (reconcile, 'R'),
            (record_err, 'E'),
            (detached, 'D'),
            (no_wait, 'W'),
            (fail_open, 'O'),
        ];
        let letters: String = letters.into_iter().filter(|(is, _)| *is).map(|(_, letter)| letter).collect();
        write!(f, "-{letters}{}", fingerprint.unwrap_or_default())
    }
}
