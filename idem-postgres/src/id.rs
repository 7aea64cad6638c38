//! The primary key of a record.

use idem_core::Key;
use sha2::{Digest, Sha256};

/// 8 bytes for the operation and 24 for the key, so that the primary key is short and an operation's records are one range.
pub(crate) type Id = [u8; LENGTH];

pub(crate) const LENGTH: usize = 32;

/// The id of a key.
pub(crate) fn of(key: &Key) -> Id {
    let mut id = first(key.scope());
    let digest = Sha256::digest(key.as_bytes());
    id.iter_mut().skip(SCOPE).zip(digest).for_each(|(byte, of_key)| *byte = of_key);
    id
}

/// The lowest id of an operation.
pub(crate) fn first(scope: &[u8]) -> Id {
    let mut id = Id::default();
    id.iter_mut().zip(Sha256::digest(scope)).take(SCOPE).for_each(|(byte, of_scope)| *byte = of_scope);
    id
}

/// The highest id of an operation.
pub(crate) fn last(scope: &[u8]) -> Id {
    let mut id = first(scope);
    id.iter_mut().skip(SCOPE).for_each(|byte| *byte = u8::MAX);
    id
}

const SCOPE: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operations_records_stand_side_by_side() {
        let key = |operation, part: &str| Key::new("billing", operation, part).expect("a valid key");
        let (one, other) = (key("charge", "1"), key("charge", "2"));
        assert_ne!(of(&one), of(&other));
        assert!((first(one.scope())..=last(one.scope())).contains(&of(&other)));
        assert!(!(first(one.scope())..=last(one.scope())).contains(&of(&key("refund", "1"))));
    }

    #[test]
    fn ids_are_frozen() {
        let key = Key::new("billing", "charge", "1").expect("a valid key");
        let hex: String = of(&key).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "8a1b1db940a6562a5ce85b85a7c97510836ee3f6309a5e7a71920895cf67d56f");
    }
}
