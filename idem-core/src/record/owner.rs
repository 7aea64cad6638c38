//! Who has a key.

use std::fmt;

/// The token of one claim: 128 random bits, made before the claim is first sent and never used for another.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Owner([u8; 16]);

impl Owner {
    /// A token nobody had before, from a seeded CSPRNG.
    #[must_use]
    pub fn random() -> Self {
        // A forked process goes on with its parent's seed; its id tells the two apart.
        let process = u128::from(std::process::id());
        Self((rand::random::<u128>() ^ process).to_be_bytes())
    }

    /// A token read back from a record.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The token as a store writes it down.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "Owner({a:02x}{b:02x}{c:02x}{d:02x}…)")
    }
}
