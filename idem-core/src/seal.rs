//! Recorded results that only those can read who may.

use std::fmt;

/// Transforms recorded results on their way to the store and back: encrypts them, compresses them, has a key service do
/// it. Given to [`Builder::seal`](crate::Builder::seal).
///
/// It is called once for each result that is recorded, and once for each that is replayed and not at hand in memory. Keys,
/// fingerprints and the record's other fields are not sealed.
pub trait Seal: fmt::Debug + Send + Sync + 'static {
    /// Seals `plain`. `associated` names the record: namespace, operation and key. It is not stored with the result; sealed in
    /// as associated data, it makes a result that was moved to another key unreadable.
    ///
    /// # Errors
    /// The result then ends unreplayable.
    fn seal(&self, plain: &[u8], associated: &[u8]) -> Result<Vec<u8>, SealError>;

    /// What was sealed, from what [`seal`](Self::seal) made of it.
    ///
    /// # Errors
    /// The caller then gets [`Error::Decode`](crate::Error::Decode), and the record stays as it is.
    fn open(&self, sealed: &[u8], associated: &[u8]) -> Result<Vec<u8>, SealError>;
}

/// Why something could not be sealed or opened.
pub type SealError = Box<dyn std::error::Error + Send + Sync>;
