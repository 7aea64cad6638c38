//! Bytes under keys, for a `CasStore` whose values somebody else may touch.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use idem_core::{Clock, ConditionalStore, Key, StoreError, Timestamp};

/// Bytes and their version.
type Value = (Vec<u8>, u64);

#[derive(Debug, Clone)]
pub(crate) struct Slots(Arc<Mutex<HashMap<Vec<u8>, Value>>>, Timestamp);

impl Slots {
    pub(crate) fn at(now: Timestamp) -> Self {
        Self(Arc::default(), now)
    }

    pub(crate) fn put(&self, key: &Key, bytes: &[u8]) {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = slots.entry(key.as_bytes().to_vec()).or_default();
        *slot = (bytes.to_vec(), slot.1 + 1);
    }

    pub(crate) fn bytes(&self, key: &Key) -> Option<Vec<u8>> {
        let slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        slots.get(key.as_bytes()).map(|(bytes, _)| bytes.clone())
    }
}

impl Clock for Slots {
    fn now(&self) -> Timestamp {
        self.1
    }
}

#[async_trait::async_trait]
impl ConditionalStore for Slots {
    type Version = u64;

    async fn get(&self, key: &Key) -> Result<(Option<Value>, Timestamp), StoreError> {
        let slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok((slots.get(key.as_bytes()).cloned(), self.1))
    }

    async fn put_if_version(
        &self,
        key: &Key,
        version: Option<&u64>,
        bytes: &[u8],
        _: Duration,
    ) -> Result<bool, StoreError> {
        let found = self.get(key).await?.0.map(|(_, version)| version);
        let unchanged = found.as_ref() == version;
        if unchanged {
            self.put(key, bytes);
        }
        Ok(unchanged)
    }
}
