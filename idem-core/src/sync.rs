//! What threads share: the standard library's locks, or those of a scheduler that tries the orders in which threads can take
//! them (`tests/threads`).

#[cfg(not(shuttle))]
pub(crate) use std::sync::{atomic, Mutex, MutexGuard};
#[cfg(not(shuttle))]
pub(crate) use std::thread_local;

#[cfg(shuttle)]
pub(crate) use shuttle::sync::{atomic, Mutex, MutexGuard};
#[cfg(shuttle)]
pub(crate) use shuttle::thread_local;

/// A number that differs from process to process, and from call to call; under a scheduler, none that it could not repeat.
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

    /// What the standard library's `LocalKey` has and shuttle's has not.
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
