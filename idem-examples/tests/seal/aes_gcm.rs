//! Recorded results, encrypted: AES-256-GCM with keys that can be changed.

use std::fmt;

use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, Key, KeyInit, Nonce};
use idem::{Seal, SealError};

/// Seals with the first key, and opens with whichever key sealed. A key is changed by putting a new one in front; the old
/// one goes when the TTL of what it sealed is over.
pub(crate) struct AesGcm {
    keys: Vec<(u8, Aes256Gcm)>,
}

impl AesGcm {
    /// Keys by their ids, the one to seal with first.
    pub(crate) fn new(keys: &[(u8, [u8; 32])]) -> Self {
        let cipher = |(id, key): &(u8, [u8; 32])| (*id, Aes256Gcm::new(Key::<Aes256Gcm>::from_slice(key)));
        Self { keys: keys.iter().map(cipher).collect() }
    }
}

impl Seal for AesGcm {
    /// `key id 1 | nonce 12 | ciphertext and tag`. The record's name is authenticated with it and not stored.
    fn seal(&self, plain: &[u8], associated: &[u8]) -> Result<Vec<u8>, SealError> {
        let (id, cipher) = self.keys.first().ok_or("no key")?;
        // 96 random bits: good for some four billion results under one key.
        let nonce: [u8; 12] = rand::random();
        let sealed = cipher.encrypt(Nonce::from_slice(&nonce), Payload { msg: plain, aad: associated });
        let sealed = sealed.map_err(|_| "not sealed")?;
        Ok([&[*id][..], &nonce, &sealed].concat())
    }

    fn open(&self, sealed: &[u8], associated: &[u8]) -> Result<Vec<u8>, SealError> {
        let (&[id], rest) = sealed.split_first_chunk().ok_or("cut short")?;
        let (nonce, msg) = rest.split_first_chunk::<12>().ok_or("cut short")?;
        let (_, cipher) = self.keys.iter().find(|(known, _)| *known == id).ok_or("sealed with a key that is gone")?;
        let opened = cipher.decrypt(Nonce::from_slice(nonce), Payload { msg, aad: associated });
        Ok(opened.map_err(|_| "damaged, or of another record")?)
    }
}

impl fmt::Debug for AesGcm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AesGcm")
    }
}
