//! Values with versions, for a store made of compare and set.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use idem::{Clock, ConditionalStore, Key, StoreError, Timestamp};

/// Bytes and their version.
type Value = (Vec<u8>, u64);

#[derive(Debug)]
pub(crate) struct Versions {
    clock: Arc<dyn Clock>,
    values: Mutex<HashMap<Vec<u8>, Value>>,
}

impl Versions {
    pub(crate) fn new(clock: impl Clock) -> Self {
        Self { clock: Arc::new(clock), values: Mutex::default() }
    }
}

#[async_trait::async_trait]
impl ConditionalStore for Versions {
    type Version = u64;

    async fn get(&self, key: &Key) -> Result<(Option<Value>, Timestamp), StoreError> {
        Ok((self.values.lock().unwrap().get(key.as_bytes()).cloned(), self.clock.now()))
    }

    async fn put_if_version(
        &self,
        key: &Key,
        version: Option<&u64>,
        bytes: &[u8],
        _: Duration,
    ) -> Result<bool, StoreError> {
        let mut values = self.values.lock().unwrap();
        let found = values.get(key.as_bytes()).map(|(_, version)| *version);
        let unchanged = found.as_ref() == version;
        if unchanged {
            values.insert(key.as_bytes().to_vec(), (bytes.to_vec(), found.map_or(1, |version| version + 1)));
        }
        Ok(unchanged)
    }
}
