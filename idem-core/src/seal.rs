//! Seals: encryption of recorded results.

use std::fmt;

/// Encrypts or otherwise transforms recorded results on their way to the store and back. Set it with
/// [`Builder::seal`](crate::Builder::seal).
///
/// It is called once for each result that is recorded, and once for each replay of a result that is not in memory. Keys,
/// fingerprints and the other fields of a record are not sealed. `idem-examples/tests/seal` has AES-GCM with keys that can be changed.
///
/// ```
/// use idem_core::{Idem, MokaStore, Seal, SealError};
///
/// /// Shows the shape only: this protects nothing.
/// #[derive(Debug)]
/// struct Xor(u8);
///
/// impl Seal for Xor {
///     fn seal(&self, plain: &[u8], _associated: &[u8]) -> Result<Vec<u8>, SealError> {
///         Ok(plain.iter().map(|byte| byte ^ self.0).collect())
///     }
///
///     fn open(&self, sealed: &[u8], associated: &[u8]) -> Result<Vec<u8>, SealError> {
///         self.seal(sealed, associated)
///     }
/// }
///
/// let idem = Idem::builder(MokaStore::new()).seal(Xor(7)).build()?;
/// # drop(idem);
/// # Ok::<(), idem_core::Error>(())
/// ```
pub trait Seal: fmt::Debug + Send + Sync + 'static {
    /// Seals `plain`.
    ///
    /// `associated` is the encoded namespace, operation and key. Pass it to the cipher as associated data: then a sealed result
    /// that was moved to another key cannot be opened. It is not stored with the result.
    ///
    /// # Errors
    /// The operation is then recorded as completed without its result; later calls get
    /// [`Error::Unreplayable`](crate::Error::Unreplayable).
    fn seal(&self, plain: &[u8], associated: &[u8]) -> Result<Vec<u8>, SealError>;

    /// Opens what [`seal`](Self::seal) returned.
    ///
    /// # Errors
    /// The caller then gets [`Error::Decode`](crate::Error::Decode), and the record is left as it is.
    fn open(&self, sealed: &[u8], associated: &[u8]) -> Result<Vec<u8>, SealError>;
}

/// Why a result could not be sealed or opened.
pub type SealError = Box<dyn std::error::Error + Send + Sync>;
