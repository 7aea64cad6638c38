//! What every framework must do, asked over a real socket. Each wait is for an event.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use idem::{Idem, MokaStore};
use idem_frameworks::till::{Seen, Till};

/// A call to the service; dropped, it hangs up.
pub(crate) trait Call: Sized {
    /// What this protocol calls the verdicts.
    const VERDICTS: Verdicts;

    /// Sends a charge and does not wait for its answer.
    fn send(address: SocketAddr, id: &str, cents: u64) -> Self;

    /// Blocks until there is an answer.
    fn answer(self) -> Answer;
}

#[derive(Debug)]
pub(crate) struct Verdicts {
    pub(crate) charged: i32,
    pub(crate) declined: i32,
    pub(crate) in_progress: i32,
    pub(crate) key_reused: i32,
    pub(crate) invalid_key: i32,
    pub(crate) shutting_down: i32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) verdict: i32,
    pub(crate) replayed: bool,
    pub(crate) retry_after: Option<u64>,
    /// The receipt's bytes, or the error's text.
    pub(crate) body: Vec<u8>,
}

/// A framework's way to make an `Idem`, and to serve on a thread for as long as the test's process lives.
pub(crate) struct Framework {
    pub(crate) idem: fn(MokaStore) -> Idem,
    pub(crate) serve: fn(TcpListener, Idem, Arc<Till>),
    /// Whether a handler is dropped while it runs when its client hangs up.
    pub(crate) drops_handlers: bool,
}

/// The service, as one process of it would be.
struct Service {
    address: SocketAddr,
    idem: Idem,
    till: Arc<Till>,
}

impl Service {
    fn start(framework: &Framework, store: &MokaStore) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (idem, till, serve) = ((framework.idem)(store.clone()), Arc::<Till>::default(), framework.serve);
        let (ambient, desk) = (idem.clone(), Arc::clone(&till));
        std::thread::spawn(move || serve(listener, ambient, desk));
        Self { address, idem, till }
    }

    fn send<C: Call>(&self, id: &str, cents: u64) -> C {
        C::send(self.address, id, cents)
    }

    fn charge<C: Call>(&self, id: &str, cents: u64) -> Answer {
        self.send::<C>(id, cents).answer()
    }

    /// Waits until `handlers` wait for their answers, and asserts how many bodies were begun by then.
    fn until(&self, bodies: u64, handlers: u64) {
        let wanted = Seen { bodies, handlers };
        assert_eq!(self.till.until(|seen| *seen == wanted), wanted);
    }

    fn bodies(&self) -> u64 {
        self.till.seen().bodies
    }

    /// As on SIGTERM: what runs may end. Returns how much did not.
    fn drain(&self) -> usize {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(self.idem.drain(Duration::from_secs(30)))
    }
}

/// All cases, in the order of one service's life.
pub(crate) fn check<C: Call>(framework: &Framework) {
    let store = MokaStore::new();
    let service = Service::start(framework, &store);
    a_retry_gets_the_receipt::<C>(&service);
    another_amount_is_refused::<C>(&service);
    an_empty_id_is_refused::<C>(&service);
    a_declined_card_may_be_tried_again::<C>(&service);
    a_duplicate_is_told_to_come_back::<C>(&service);
    a_charge_outlives_its_client::<C>(framework, &store, &service);
}

fn a_retry_gets_the_receipt<C: Call>(service: &Service) {
    let before = service.bodies();
    let first = service.charge::<C>("retried", 500);
    assert_eq!((first.verdict, first.replayed), (C::VERDICTS.charged, false), "{first:?}");
    assert_eq!(service.bodies(), before + 1);
    let again = service.charge::<C>("retried", 500);
    assert_eq!(again, Answer { replayed: true, ..first });
    assert_eq!(service.bodies(), before + 1);
}

fn another_amount_is_refused<C: Call>(service: &Service) {
    let before = service.bodies();
    let first = service.charge::<C>("changed", 500);
    assert_eq!(first.verdict, C::VERDICTS.charged, "{first:?}");
    let other = service.charge::<C>("changed", 501);
    assert_eq!((other.verdict, other.replayed, other.retry_after), (C::VERDICTS.key_reused, false, None), "{other:?}");
    // The honest retry beside it.
    assert_eq!(service.charge::<C>("changed", 500), Answer { replayed: true, ..first });
    assert_eq!(service.bodies(), before + 1);
}

fn an_empty_id_is_refused<C: Call>(service: &Service) {
    let before = service.bodies();
    let refused = service.charge::<C>("", 500);
    assert_eq!((refused.verdict, refused.retry_after), (C::VERDICTS.invalid_key, None), "{refused:?}");
    assert_eq!(service.bodies(), before);
}

fn a_declined_card_may_be_tried_again<C: Call>(service: &Service) {
    let before = service.bodies();
    for attempt in 1..=2 {
        let declined = service.charge::<C>("declined", 100_001);
        assert_eq!((declined.verdict, declined.replayed), (C::VERDICTS.declined, false), "{declined:?}");
        assert_eq!(declined.body, b"card declined");
        assert_eq!(service.bodies(), before + attempt, "an error is not recorded");
    }
}

fn a_duplicate_is_told_to_come_back<C: Call>(service: &Service) {
    let before = service.bodies();
    service.till.hold();
    let first = service.send::<C>("doubled", 500);
    service.until(before + 1, 1);
    let second = service.charge::<C>("doubled", 500);
    assert_eq!((second.verdict, second.replayed), (C::VERDICTS.in_progress, false), "{second:?}");
    // It grows with the run's age, which is next to nothing.
    assert!(second.retry_after.is_some_and(|seconds| (1..=5).contains(&seconds)), "{second:?}");
    service.until(before + 1, 1);
    service.till.release();
    let first = first.answer();
    assert_eq!((first.verdict, first.replayed), (C::VERDICTS.charged, false), "{first:?}");
    assert_eq!(service.charge::<C>("doubled", 500), Answer { replayed: true, ..first });
    assert_eq!(service.bodies(), before + 1);
}

/// The client hangs up, and the process is told to stop while the body runs. The next process has the receipt.
fn a_charge_outlives_its_client<C: Call>(framework: &Framework, store: &MokaStore, service: &Service) {
    let before = service.bodies();
    service.till.hold();
    let call = service.send::<C>("left", 500);
    service.until(before + 1, 1);
    drop(call);
    if framework.drops_handlers {
        // The handler's future is gone, and the body still waits in the till.
        service.until(before + 1, 0);
    }
    service.till.release();
    assert_eq!(service.drain(), 0, "its record landed");
    let late = service.charge::<C>("late", 500);
    assert_eq!((late.verdict, late.retry_after), (C::VERDICTS.shutting_down, Some(1)), "{late:?}");
    assert_eq!(service.bodies(), before + 1);

    let next = Service::start(framework, store);
    let retry = next.charge::<C>("left", 500);
    assert_eq!((retry.verdict, retry.replayed), (C::VERDICTS.charged, true), "{retry:?}");
    assert_eq!(next.charge::<C>("left", 500), retry);
    assert_eq!(next.bodies(), 0);
    let late = next.charge::<C>("late", 500);
    assert_eq!((late.verdict, late.replayed), (C::VERDICTS.charged, false), "{late:?}");
    assert_eq!(next.bodies(), 1);
}
