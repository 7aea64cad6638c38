use std::future::Future;
use std::sync::Mutex;
use std::task::{Context, Poll, Wake};
use std::time::Duration;

use super::*;
use crate::clock::Timestamp;
use crate::record::{Completion, Payload, Step};
use crate::store::Tiered;
use crate::transition::{transition, Change, Ending, Settlement};

/// Notes which verbs are called, and gives each an answer that no default gives.
#[derive(Debug, Default)]
struct Spy(Mutex<Vec<&'static str>>);

impl Spy {
    fn note(&self, verb: &'static str) {
        self.0.lock().expect("not poisoned").push(verb);
    }
}

#[async_trait]
impl Store for Spy {
    async fn claim(&self, _: &Key, _: &Claim) -> Result<Claimed, StoreError> {
        self.note("claim");
        Ok(Claimed::indeterminate(7))
    }

    async fn renew(&self, _: &Key, _: Owner) -> Result<Ownership, StoreError> {
        self.note("renew");
        Ok(Ownership::Held)
    }

    async fn finish(&self, _: &Key, _: &Finish) -> Result<Ownership, StoreError> {
        self.note("finish");
        Ok(Ownership::Held)
    }

    async fn load(&self, _: &Key) -> Result<Option<Record>, StoreError> {
        self.note("load");
        Err(StoreError::refused("spying"))
    }

    async fn save_step(&self, _: &Key, _: &SaveStep) -> Result<Ownership, StoreError> {
        self.note("save_step");
        Ok(Ownership::Held)
    }

    async fn settle(&self, _: &Key, _: &Settle) -> Result<Settled, StoreError> {
        self.note("settle");
        Ok(Settled::Changed)
    }

    async fn list(&self, _: &List) -> Result<Page, StoreError> {
        self.note("list");
        Ok(Page::new(Vec::new(), None))
    }

    async fn sweep(&self, _: usize) -> Result<usize, StoreError> {
        self.note("sweep");
        Ok(7)
    }

    fn peek(&self, _: &Key) -> Option<Completed> {
        self.note("peek");
        Some(Completed::new(None, Completion::Unreplayable, Duration::from_secs(1)))
    }

    async fn changed(&self, _: &Key) {
        self.note("changed");
    }
}

fn at_once<T>(future: impl Future<Output = T>) -> T {
    struct NoWaker;
    impl Wake for NoWaker {
        fn wake(self: Arc<Self>) {}
    }
    let mut future = std::pin::pin!(future);
    match future.as_mut().poll(&mut Context::from_waker(&Arc::new(NoWaker).into())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the default of `changed` was called: it never completes"),
    }
}

fn ask_everything(store: &impl Store) {
    let key = Key::new("", "op", "k").expect("a valid key");
    let owner = Owner::random();
    let claim = Claim::new(owner, Duration::from_secs(1), Duration::from_secs(1));
    assert_eq!(at_once(store.claim(&key, &claim)).expect("an answer"), Claimed::indeterminate(7));
    assert_eq!(at_once(store.renew(&key, owner)).expect("an answer"), Ownership::Held);
    assert_eq!(at_once(store.finish(&key, &Finish::new(owner, Ending::Failed))).expect("an answer"), Ownership::Held);
    assert!(at_once(store.load(&key)).is_err());
    let save = SaveStep::new(owner, 0, Step::new("step", Payload::from_bytes(&b""[..])));
    assert_eq!(at_once(store.save_step(&key, &save)).expect("an answer"), Ownership::Held);
    let Change::Write(record) = transition(None, &claim, Timestamp::from_micros(1)).0 else { panic!("granted") };
    let settle = Settle::new(&record, owner, Settlement::Failed);
    assert_eq!(at_once(store.settle(&key, &settle)).expect("an answer"), Settled::Changed);
    assert!(at_once(store.list(&List::new(Vec::new()))).is_ok());
    assert_eq!(at_once(store.sweep(1)).expect("an answer"), 7);
    assert!(store.peek(&key).is_some());
    at_once(store.changed(&key));
}

#[test]
fn every_verb_reaches_the_store_behind() {
    let spy = Arc::new(Spy::default());
    ask_everything(&*spy);
    let asked = std::mem::take(&mut *spy.0.lock().expect("not poisoned"));
    assert_eq!(asked, ["claim", "renew", "finish", "load", "save_step", "settle", "list", "sweep", "peek", "changed"]);
    let behind: [fn(Arc<Spy>); 4] = [
        |spy| ask_everything(&spy),
        |spy| ask_everything(&(Box::new(spy) as Box<dyn Store>)),
        |spy| ask_everything(&(Arc::new(spy) as Arc<dyn Store>)),
        |spy| ask_everything(&Tiered::new(spy)),
    ];
    for ask in behind {
        ask(Arc::clone(&spy));
        assert_eq!(std::mem::take(&mut *spy.0.lock().expect("not poisoned")), asked);
    }
    let forever: &'static Spy = Box::leak(Box::default());
    ask_everything(&forever);
    assert_eq!(*forever.0.lock().expect("not poisoned"), asked);
}
