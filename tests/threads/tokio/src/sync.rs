//! shuttle-tokio's channels.

pub use shuttle_tokio::sync::{oneshot, Notify};

/// A channel of one value, with the way to make one that shuttle-tokio has not.
pub mod watch {
    use shuttle_tokio::sync::watch;
    pub use shuttle_tokio::sync::watch::{Receiver, Ref};

    #[derive(Debug)]
    pub struct Sender<T>(watch::Sender<T>);

    impl<T> Sender<T> {
        pub fn new(value: T) -> Self {
            Self(watch::channel(value).0)
        }

        pub fn subscribe(&self) -> Receiver<T> {
            // Others may come before it, which shuttle-tokio leaves out.
            shuttle::thread::yield_now();
            self.0.subscribe()
        }

        pub fn borrow(&self) -> Ref<'_, T> {
            self.0.borrow()
        }

        pub fn receiver_count(&self) -> usize {
            self.0.receiver_count()
        }

        pub fn send_if_modified(&self, modify: impl FnOnce(&mut T) -> bool) -> bool {
            self.0.send_if_modified(modify)
        }
    }
}
