//! The types that can be a key or a part of one.

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

use serde::Serialize;

use super::writer::{KeyWriter, Tag};
use crate::fingerprint::Fingerprint;

/// A value that can be an idempotency key, alone or as one part of a tuple.
///
/// Text, integers, `bool`, `char`, bytes, `Uuid` (feature `uuid`), references to those and tuples of up to twelve parts are
/// key parts. For your own type, implement one method (see [`KeyWriter`] for an example). [`hash`] makes a key
/// part of any other `Serialize` value.
///
/// Equal values must write the same parts, in every process and every version of your program, because the parts are the
/// name of the record.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an idempotency key",
    label = "not a key",
    note = "keys are text, integers, bool, char, bytes, Uuid (feature `uuid`), references and tuples of those",
    note = "for a type of your own implement `KeyPart`, or use one of its fields; `idem::hash(&value)` makes a key of \
            anything `Serialize`",
    note = "an `Option` can only be the whole key: `None` then means \"no key, run unguarded\""
)]
pub trait KeyPart {
    /// Writes this value to `key`.
    fn write_to(&self, key: &mut KeyWriter);
}

/// A whole key: a [`KeyPart`], or an `Option` of one. `None` means "no key: run unguarded".
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an idempotency key",
    label = "not a key",
    note = "keys are text, integers, bool, char, bytes, Uuid (feature `uuid`), references and tuples of those",
    note = "for a type of your own implement `KeyPart`, or use one of its fields; `idem::hash(&value)` makes a key of \
            anything `Serialize`",
    note = "an `Option` can only be the whole key: `None` then means \"no key, run unguarded\""
)]
pub trait IntoKey {
    /// The type of the key's part.
    type Part: KeyPart + ?Sized;

    /// The key, or `None` to run unguarded.
    fn as_key(&self) -> Option<&Self::Part>;
}

#[diagnostic::do_not_recommend]
impl<K: KeyPart + ?Sized> IntoKey for K {
    type Part = K;

    fn as_key(&self) -> Option<&K> {
        Some(self)
    }
}

impl<K: KeyPart> IntoKey for Option<K> {
    type Part = K;

    fn as_key(&self) -> Option<&K> {
        self.as_ref()
    }
}

impl<K: KeyPart> IntoKey for &Option<K> {
    type Part = K;

    fn as_key(&self) -> Option<&K> {
        self.as_ref()
    }
}

impl<K: KeyPart> IntoKey for &&Option<K> {
    type Part = K;

    fn as_key(&self) -> Option<&K> {
        self.as_ref()
    }
}

macro_rules! forwarding {
    ($($pointer:ty),*) => {$(
        #[diagnostic::do_not_recommend]
        impl<K: KeyPart + ?Sized> KeyPart for $pointer {
            fn write_to(&self, key: &mut KeyWriter) {
                (**self).write_to(key);
            }
        }
    )*};
}

forwarding!(&K, &mut K, Box<K>, Rc<K>, Arc<K>);

impl<K: KeyPart + ToOwned + ?Sized> KeyPart for Cow<'_, K> {
    fn write_to(&self, key: &mut KeyWriter) {
        (**self).write_to(key);
    }
}

impl KeyPart for str {
    fn write_to(&self, key: &mut KeyWriter) {
        key.text(self);
    }
}

impl KeyPart for String {
    fn write_to(&self, key: &mut KeyWriter) {
        key.text(self);
    }
}

impl KeyPart for [u8] {
    fn write_to(&self, key: &mut KeyWriter) {
        key.bytes(self);
    }
}

impl KeyPart for Vec<u8> {
    fn write_to(&self, key: &mut KeyWriter) {
        key.bytes(self);
    }
}

impl<const N: usize> KeyPart for [u8; N] {
    fn write_to(&self, key: &mut KeyWriter) {
        key.bytes(self);
    }
}

impl KeyPart for bool {
    fn write_to(&self, key: &mut KeyWriter) {
        key.part(Tag::Bool, &[u8::from(*self)]);
    }
}

impl KeyPart for char {
    fn write_to(&self, key: &mut KeyWriter) {
        key.part(Tag::Char, self.encode_utf8(&mut [0; 4]).as_bytes());
    }
}

#[cfg(feature = "uuid")]
impl KeyPart for uuid::Uuid {
    fn write_to(&self, key: &mut KeyWriter) {
        key.part(Tag::Uuid, self.as_bytes());
    }
}

macro_rules! unsigned {
    ($($integer:ty),*) => {$(
        impl KeyPart for $integer {
            fn write_to(&self, key: &mut KeyWriter) {
                key.integer(false, *self as u128);
            }
        }
    )*};
}

macro_rules! signed {
    ($($integer:ty),*) => {$(
        impl KeyPart for $integer {
            fn write_to(&self, key: &mut KeyWriter) {
                key.integer(*self < 0, self.unsigned_abs() as u128);
            }
        }
    )*};
}

unsigned!(u8, u16, u32, u64, u128, usize);
signed!(i8, i16, i32, i64, i128, isize);

macro_rules! tuples {
    ($(($($part:ident)+))*) => {$(
        #[diagnostic::do_not_recommend]
        impl<$($part: KeyPart),+> KeyPart for ($($part,)+) {
            fn write_to(&self, key: &mut KeyWriter) {
                #[allow(non_snake_case)]
                let ($($part,)+) = self;
                key.tuple_start();
                $(
                    $part.write_to(key);
                    key.element_end();
                )+
                key.tuple_end();
            }
        }
    )*};
}

tuples! { (A) (A B) (A B C) (A B C D) (A B C D E) (A B C D E F) (A B C D E F G)
(A B C D E F G H) (A B C D E F G H I) (A B C D E F G H I J) (A B C D E F G H I J K) (A B C D E F G H I J K L) }

/// A key part made of a `Serialize` value by [`hash`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hashed(Option<Fingerprint>);

/// Makes a key part of any `Serialize` value: its 32-byte [`Fingerprint`].
///
/// A value that cannot be serialized makes the key invalid: the call gets
/// [`Error::InvalidKey`](crate::Error::InvalidKey).
///
/// ```
/// use idem_core::{hash, Key};
///
/// let order = [("id", 7), ("cents", 500)];
/// let key = Key::new("billing", "payments.charge", &("acme", hash(&order)))?;
/// assert_eq!(key, Key::new("billing", "payments.charge", &("acme", hash(&order)))?);
/// # Ok::<(), idem_core::InvalidKey>(())
/// ```
#[must_use]
pub fn hash<T: Serialize + ?Sized>(value: &T) -> Hashed {
    Hashed(Fingerprint::of(value).ok())
}

impl KeyPart for Hashed {
    fn write_to(&self, key: &mut KeyWriter) {
        key.hashed(self.0.as_ref().map(Fingerprint::as_bytes));
    }
}
