//! What tests need of services and stores that are built on `idem`.
//!
//! - [`conformance`] asks a store all that `idem` relies on, in more than eighty named cases.
//! - [`Faulty`] puts any store in trouble: answers that are lost, late or refused.
//! - [`History`] notes what many clients asked of a store under faults, and says whether the answers fit together.
//! - [`Clock`] is a clock to turn, for stores that take one.
//! - [`every_error`] and [`replays`] are for your error mapping and your result types.
//!
//! # Your service's test in 15 lines
//!
//! Replay, expiry, in progress, and the store being down, of a function of yours:
//!
//! ```
//! # use std::time::Duration;
//! # use idem_core::{Error, CallError, Idem, MokaStore};
//! # use idem_testing::{Faulty, Fault, Verb};
//! # #[derive(Clone)] struct Service { idem: Idem }
//! # type Answer = Result<u32, CallError<()>>;
//! # impl Service {
//! #     // In your service this is a function with `#[idempotent(key = id, ttl = "24h", wait = "0s", idem = self.idem)]`.
//! #     async fn charge(&self, id: u32, slowly: bool) -> Answer {
//! #         let op = self.idem.operation("charge").key(id).wait(Duration::ZERO);
//! #         let body = async { if slowly { tokio::time::sleep(Duration::from_secs(1)).await } Ok(rand()) };
//! #         op.run(body).await.map(idem_core::Outcome::into_inner)
//! #     }
//! # }
//! # fn rand() -> u32 { use std::sync::atomic::*; static N: AtomicU32 = AtomicU32::new(0); N.fetch_add(1, Ordering::SeqCst) }
//! # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(async {
//! // #[tokio::test(start_paused = true)]
//! // async fn a_customer_is_charged_once() {
//! let store = Faulty::new(MokaStore::new());
//! let service = Service { idem: Idem::new(store.clone()) };
//! // Replay: a retry gets the first call's receipt.
//! let receipt = service.charge(1, false).await.unwrap();
//! assert_eq!(service.charge(1, false).await.unwrap(), receipt);
//! // Expiry: a day later the key is new.
//! tokio::time::advance(Duration::from_secs(24 * 60 * 60)).await;
//! assert_ne!(service.charge(1, false).await.unwrap(), receipt);
//! // In progress: a double click does not charge twice.
//! let (first, second) = tokio::join!(service.charge(2, true), service.charge(2, true));
//! assert!(first.is_ok() && matches!(second, Err(CallError::Idem(Error::InProgress { .. }))));
//! // Store down: nobody is charged at all, and the client may retry.
//! store.fault(Verb::Claim, Fault::Refused);
//! assert!(matches!(service.charge(3, false).await, Err(CallError::Idem(Error::Store { .. }))));
//! // }
//! # });
//! ```

mod clock;
mod conformance;
mod errors;
mod faulty;
mod history;
mod results;

pub use clock::Clock;
pub use conformance::{conformance, Report, Suite};
pub use errors::every_error;
pub use faulty::{Fault, Faulty, Verb};
pub use history::{Checked, Contradiction, History, Recorded};
pub use results::{recorded, replays};
