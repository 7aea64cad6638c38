//! Locks and atomics: those of the standard library, or under `cfg(shuttle)` those of a scheduler that tries many orders of
//! threads (`tests/threads`).

#[cfg(not(shuttle))]
pub(crate) use std::sync::{atomic, Mutex, MutexGuard};
#[cfg(not(shuttle))]
pub(crate) use std::thread_local;

#[cfg(shuttle)]
pub(crate) use shuttle::sync::{atomic, Mutex, MutexGuard};
#[cfg(shuttle)]
pub(crate) use shuttle::thread_local;

/// A random number, different in each call. Under shuttle always 0, so that a schedule can be repeated.
pub(crate) fn seed() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    if cfg!(shuttle) {
        0
    } else {
        std::collections::hash_map::RandomState::new().build_hasher().finish()
    }
}

#[cfg(shuttle)]
pub(crate) use local::Local;

#[cfg(shuttle)]
mod local {
    use std::cell::RefCell;

    /// The methods of the standard library's `LocalKey` that shuttle's lacks.
    pub(crate) trait Local<T> {
        fn with_borrow<R>(&'static self, look: impl FnOnce(&T) -> R) -> R;
        fn with_borrow_mut<R>(&'static self, change: impl FnOnce(&mut T) -> R) -> R;
    }

    impl<T: 'static> Local<T> for shuttle::thread::LocalKey<RefCell<T>> {
        fn with_borrow<R>(&'static self, look: impl FnOnce(&T) -> R) -> R {
            self.with(|cell| look(&cell.borrow()))
        }

        fn with_borrow_mut<R>(&'static self, change: impl FnOnce(&mut T) -> R) -> R {
            self.with(|cell| change(&mut cell.borrow_mut()))
        }
    }
}
