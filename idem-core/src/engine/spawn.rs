//! Handing work to an executor.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::Engine;

/// Work that outlives the call that made it.
pub(crate) type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A user's way to spawn, for executors other than tokio.
#[derive(Clone)]
pub(crate) struct Spawner(Arc<dyn Fn(Task) + Send + Sync>);

impl Spawner {
    pub(crate) fn new(spawn: impl Fn(Task) + Send + Sync + 'static) -> Self {
        Self(Arc::new(spawn))
    }
}

impl fmt::Debug for Spawner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Spawner")
    }
}

impl Engine {
    /// Spawns `task`, on the spawner the `Idem` was given or the tokio runtime around the call; says whether there was one.
    pub(super) fn spawn(&self, task: Task) -> bool {
        if let Some(Spawner(spawn)) = &self.spawner {
            spawn(task);
            return true;
        }
        tokio::runtime::Handle::try_current().map(|tokio| drop(tokio.spawn(task))).is_ok()
    }

    /// Whether there is anything to spawn on.
    pub(super) fn can_spawn(&self) -> bool {
        self.spawner.is_some() || tokio::runtime::Handle::try_current().is_ok()
    }
}
