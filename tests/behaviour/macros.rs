//! The attribute: every option, on functions and methods.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use idem::{idempotent, with_outcome, Error, Idem, Kind, MokaStore};
use serde::{Deserialize, Serialize};

use crate::support::{rows, Harness, Verb, SECOND};

#[derive(Debug, thiserror::Error)]
enum ChargeError {
    #[error("declined")]
    Declined,
    #[error(transparent)]
    Idempotency(#[from] Error),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Receipt {
    order: u64,
    cents: u64,
}

/// Not `Clone`, and not to be moved before the body does.
#[derive(Debug, Serialize)]
struct Order {
    id: u64,
    tenant: String,
    cents: u64,
}

fn order(id: u64) -> Order {
    Order { id, tenant: "acme".into(), cents: 500 }
}

static RUNS: Mutex<Vec<u64>> = Mutex::new(Vec::new());

fn runs(id: u64) -> usize {
    RUNS.lock().unwrap().iter().filter(|run| **run == id).count()
}

/// The first example of the contract.
#[idempotent(key = order.id, ttl = "24h", fingerprint = order)]
async fn charge(order: Order) -> Result<Receipt, ChargeError> {
    RUNS.lock().unwrap().push(order.id);
    if order.cents == 0 {
        return Err(ChargeError::Declined);
    }
    Ok(Receipt { order: order.id, cents: order.cents })
}

rows! {
    async fn the_first_call_runs_and_the_second_replays(h) {
        // One id for each test: on real stores, tests of one kind run beside each other.
        static NEXT: AtomicU64 = AtomicU64::new(1_000_001);
        let id = NEXT.fetch_add(1, Ordering::SeqCst);
        let twice = async {
            let first = with_outcome(charge(order(id))).await;
            let again = with_outcome(charge(order(id))).await;
            assert_eq!((first.1, again.1), (Some(Kind::Executed), Some(Kind::Replayed)));
            assert_eq!(first.0.unwrap(), again.0.unwrap());
        };
        let before = runs(id);
        h.idem.scope(twice).await;
        assert_eq!(runs(id), before + 1);
    }

    async fn the_users_own_errors_are_unchanged_and_ours_are_converted(h) {
        let id = line!().into();
        h.idem.scope(async {
            let declined = charge(Order { cents: 0, ..order(id) }).await;
            assert!(matches!(declined, Err(ChargeError::Declined)));
            charge(order(id)).await.unwrap();
            let reused = charge(Order { cents: 7, ..order(id) }).await;
            assert!(matches!(reused, Err(ChargeError::Idempotency(Error::KeyReused { .. }))));
        }).await;
    }

    async fn tuple_keys_and_fingerprints_borrow_their_elements(h) {
        #[idempotent(key = (order.tenant, order.id, note), fingerprint = (order.cents, (note, order.tenant)))]
        async fn charge(order: Order, note: String) -> Result<String, ChargeError> {
            Ok(order.tenant + &note)
        }
        h.idem.scope(async {
            assert_eq!(charge(order(1), "x".into()).await.unwrap(), "acmex");
            assert_eq!(with_outcome(charge(order(1), "x".into())).await.1, Some(Kind::Replayed));
            assert_eq!(with_outcome(charge(order(1), "y".into())).await.1, Some(Kind::Executed));
            let reused = charge(Order { cents: 7, ..order(1) }, "x".into()).await;
            assert!(matches!(reused, Err(ChargeError::Idempotency(Error::KeyReused { .. }))));
        }).await;
    }

    async fn tuple_keys_take_any_expression(h) {
        #[idempotent(key = (tenant.to_lowercase(), (order.id.to_string(), &tenant[..1]), idem::hash(&order)))]
        async fn charge(tenant: String, order: Order) -> Result<u64, ChargeError> {
            Ok(order.cents + tenant.len() as u64)
        }
        #[idempotent(key = (look(1).await, id), fingerprint = look(id).await)]
        async fn awaits(id: u64) -> Result<u64, ChargeError> {
            Ok(id)
        }
        async fn look(id: u64) -> u64 {
            tokio::task::yield_now().await;
            id
        }
        h.idem.scope(async {
            for kind in [Kind::Executed, Kind::Replayed] {
                assert_eq!(with_outcome(charge("ACME".into(), order(1))).await.1, Some(kind));
                assert_eq!(with_outcome(awaits(1)).await.1, Some(kind));
            }
        }).await;
        drop(is_send(awaits(1)));
    }

    async fn a_key_may_be_a_reference_to_an_option(h) {
        #[idempotent(key = key, idem = idem)]
        async fn charge(idem: &Idem, key: &Option<String>) -> Result<u64, ChargeError> {
            Ok(key.is_some().into())
        }
        assert_eq!(with_outcome(charge(&h.idem, &None)).await.1, Some(Kind::Unguarded));
        assert_eq!(with_outcome(charge(&h.idem, &Some("k".into()))).await.1, Some(Kind::Executed));
    }

    async fn templates_are_found_wherever_they_stand(h) {
        #[idempotent(key = ("order:{id}"), idem = idem)]
        async fn parenthesized(idem: &Idem, id: u64) -> Result<u64, ChargeError> {
            Ok(id)
        }
        #[idempotent(key = ("v1", ("order:{id}", "{id}")), idem = idem)]
        async fn in_a_tuple(idem: &Idem, id: u64) -> Result<u64, ChargeError> {
            Ok(id)
        }
        macro_rules! made {
            ($name:ident, $id:ident, $key:expr, $ttl:expr) => {
                #[idempotent(key = $key, ttl = $ttl, idem = idem)]
                async fn $name(idem: &Idem, $id: u64) -> Result<u64, ChargeError> {
                    Ok($id)
                }
            };
        }
        made!(by_a_macro, id, "order:{id}", "24h");
        for id in [1, 2] {
            assert_eq!(parenthesized(&h.idem, id).await.unwrap(), id);
            assert_eq!(in_a_tuple(&h.idem, id).await.unwrap(), id);
            assert_eq!(by_a_macro(&h.idem, id).await.unwrap(), id);
        }
        assert_eq!(with_outcome(in_a_tuple(&h.idem, 1)).await.1, Some(Kind::Replayed));
    }

    async fn expressions_may_borrow_what_they_make(h) {
        #[idempotent(key = name.to_lowercase().trim(), fingerprint = name.to_uppercase().trim(), idem = idem)]
        async fn one(idem: &Idem, name: &str) -> Result<usize, ChargeError> {
            Ok(name.len())
        }
        #[idempotent(key = (name.to_lowercase().trim(), 1), idem = idem)]
        async fn tuple(idem: &Idem, name: &str) -> Result<usize, ChargeError> {
            Ok(name.len())
        }
        assert_eq!((one(&h.idem, "A ").await.unwrap(), one(&h.idem, "a").await.unwrap()), (2, 2));
        assert_eq!((tuple(&h.idem, "A ").await.unwrap(), tuple(&h.idem, "a").await.unwrap()), (2, 2));
    }

    async fn templates_are_tuples_in_disguise(h) {
        #[idempotent(key = "{tenant}:{order.id}", name = "templates")]
        async fn charge(tenant: &str, order: &Order) -> Result<u64, ChargeError> {
            Ok(order.cents + tenant.len() as u64)
        }
        h.idem.scope(async {
            assert_eq!(charge("acme", &order(1)).await.unwrap(), 504);
            assert_eq!(with_outcome(charge("acme", &order(1))).await.1, Some(Kind::Replayed));
            assert_eq!(with_outcome(charge("acme:1", &order(1))).await.1, Some(Kind::Executed));
            let empty = charge("", &order(1)).await;
            let reason = idem::InvalidKey::EmptyPlaceholder;
            assert!(matches!(empty, Err(ChargeError::Idempotency(Error::InvalidKey { reason: said, .. })) if said == reason));
        }).await;
        let builder = h.idem.operation("templates").key(("{}:{}", "acme", "1"));
        let answer = builder.run(async { Ok::<u64, ChargeError>(0) }).await.unwrap();
        assert_eq!((answer.kind(), answer.into_inner()), (Kind::Replayed, 504), "macro and builder share the record");
    }

    async fn an_option_as_the_whole_key(h) {
        #[idempotent(key = key)]
        async fn charge(key: Option<String>) -> Result<u64, ChargeError> {
            Ok(key.map_or(0, |key| key.len() as u64))
        }
        h.idem.scope(async {
            for kind in [Kind::Unguarded, Kind::Unguarded] {
                assert_eq!(with_outcome(charge(None)).await.1, Some(kind));
            }
            for kind in [Kind::Executed, Kind::Replayed] {
                assert_eq!(with_outcome(charge(Some("k".into()))).await.1, Some(kind));
            }
        }).await;
    }

    async fn durations_are_literals_or_expressions(h) {
        #[idempotent(key = id, ttl = ttl, lease = "3s", wait = Duration::from_secs(1))]
        async fn charge(id: u64, ttl: Duration, pause: Duration) -> Result<u64, ChargeError> {
            tokio::time::sleep(pause).await;
            Ok(id)
        }
        let idem = h.idem.clone();
        h.idem.scope(async {
            charge(1, 10 * SECOND, Duration::ZERO).await.unwrap();
            tokio::time::advance(8 * SECOND).await;
            assert_eq!(with_outcome(charge(1, SECOND, Duration::ZERO)).await.1, Some(Kind::Replayed));
            tokio::time::advance(2 * SECOND).await;
            assert_eq!(with_outcome(charge(1, SECOND, Duration::ZERO)).await.1, Some(Kind::Executed));

            let long = tokio::spawn(async move { idem.scope(charge(2, SECOND, 10 * SECOND)).await });
            crate::support::settle().await;
            let before = tokio::time::Instant::now();
            let refused = charge(2, SECOND, Duration::ZERO).await;
            assert!(matches!(refused, Err(ChargeError::Idempotency(Error::InProgress { .. }))));
            assert_eq!(before.elapsed(), SECOND);
            long.await.unwrap().unwrap();
        }).await;
        assert!(h.store.count(Verb::Renew) >= 9, "renewed every second");
    }

    async fn expressions_are_evaluated_once_in_order_before_the_body(h) {
        type Notes = Mutex<Vec<&'static str>>;
        fn note<T>(notes: &Notes, what: &'static str, value: T) -> T {
            notes.lock().unwrap().push(what);
            value
        }
        #[idempotent(
            fingerprint = note(notes, "fingerprint", order.cents),
            ttl = note(notes, "ttl", SECOND),
            key = note(notes, "key", order.id),
            idem = note(notes, "idem", idem),
        )]
        async fn charge(idem: &Idem, order: Order, notes: &Notes) -> Result<u64, ChargeError> {
            note(notes, "body", ());
            Ok(order.id)
        }
        let notes = Notes::default();
        let call = charge(&h.idem, order(1), &notes);
        assert!(notes.lock().unwrap().is_empty(), "not before the first poll");
        call.await.unwrap();
        assert_eq!(*notes.lock().unwrap(), ["fingerprint", "ttl", "key", "idem", "body"]);
    }

    async fn a_question_mark_in_an_expression_returns_from_the_function(h) {
        #[idempotent(key = id.ok_or(ChargeError::Declined)?, idem = idem)]
        async fn charge(idem: &Idem, id: Option<u64>) -> Result<u64, ChargeError> {
            Ok(id.unwrap_or_default())
        }
        assert!(matches!(charge(&h.idem, None).await, Err(ChargeError::Declined)));
        assert_eq!(charge(&h.idem, Some(7)).await.unwrap(), 7);
    }

    async fn methods(h) {
        struct Service {
            idem: Arc<Idem>,
            tenant: String,
            runs: AtomicUsize,
            total: u64,
        }
        impl Service {
            #[idempotent(name = "service.by_ref", key = (self.tenant, id), idem = self.idem)]
            async fn by_ref(&self, id: u64) -> Result<usize, ChargeError> {
                Ok(self.runs.fetch_add(1, Ordering::SeqCst))
            }

            #[idempotent(name = "service.by_mut", key = id, idem = self.idem)]
            async fn by_mut(&mut self, id: u64) -> Result<u64, ChargeError> {
                self.total += id;
                Ok(self.total)
            }

            #[idempotent(name = "service.by_arc", key = id, idem = self.idem, detached)]
            async fn by_arc(self: Arc<Self>, id: u64) -> Result<usize, ChargeError> {
                let _ = id;
                Ok(self.runs.fetch_add(1, Ordering::SeqCst))
            }

            #[idempotent(name = "service.by_value", key = "{self.tenant}", idem = &self.idem)]
            async fn by_value(self) -> Result<String, ChargeError> {
                Ok(self.tenant)
            }
        }
        let idem = Arc::new(h.idem.clone());
        let service = || Service { idem: Arc::clone(&idem), tenant: "acme".into(), runs: AtomicUsize::new(0), total: 0 };
        let one = service();
        let answers = (one.by_ref(1).await.unwrap(), one.by_ref(1).await.unwrap(), one.by_ref(2).await.unwrap());
        assert_eq!(answers, (0, 0, 1));
        let mut one = service();
        let answers = (one.by_mut(5).await.unwrap(), one.by_mut(5).await.unwrap(), one.by_mut(6).await.unwrap());
        assert_eq!(answers, (5, 5, 11));
        let one = Arc::new(service());
        assert_eq!(Arc::clone(&one).by_arc(1).await.unwrap(), 0);
        assert_eq!(Arc::clone(&one).by_arc(1).await.unwrap(), 0);
        assert_eq!(one.by_arc(2).await.unwrap(), 1);
        for _ in 0..2 {
            assert_eq!(service().by_value().await.unwrap(), "acme");
        }
    }

    async fn generics_lifetimes_patterns_and_aliases(h) {
        type Answer<T> = Result<T, ChargeError>;

        #[idempotent(name = "generic", key = (tag, 0), idem = idem)]
        async fn generic<T>(idem: &Idem, tag: &str, value: T) -> Answer<T>
        where
            T: Serialize + for<'de> Deserialize<'de>,
        {
            Ok(value)
        }
        assert_eq!(generic(&h.idem, "a", 7).await.unwrap(), 7);
        assert_eq!(generic(&h.idem, "a", 8).await.unwrap(), 7);

        #[idempotent(key = text, idem = idem)]
        async fn borrows<'a>(idem: &Idem, text: &'a str) -> Result<Cow<'a, str>, ChargeError> {
            Ok(text.into())
        }
        let text = String::from("borrowed");
        assert!(matches!(borrows(&h.idem, &text).await.unwrap(), Cow::Borrowed("borrowed")));
        assert!(matches!(borrows(&h.idem, &text).await.unwrap(), Cow::Owned(text) if text == "borrowed"));

        #[idempotent(key = id, idem = idem)]
        async fn patterns(idem: &Idem, Order { id, mut cents, .. }: Order, mut times: u64) -> Answer<u64> {
            while times > 0 {
                cents += 1;
                times -= 1;
            }
            Ok(cents)
        }
        assert_eq!(patterns(&h.idem, order(1), 3).await.unwrap(), 503);
        assert_eq!(patterns(&h.idem, order(1), 9).await.unwrap(), 503);

        type AnyError = Box<dyn std::error::Error + Send + Sync>;
        #[idempotent(name = "impl trait", key = id.to_string(), idem = idem)]
        async fn anything(idem: &Idem, id: impl std::fmt::Display) -> Result<String, AnyError> {
            if id.to_string() == "bad" {
                return Err("bad".into());
            }
            Ok(id.to_string())
        }
        assert_eq!(anything(&h.idem, 7).await.unwrap(), "7");
        assert!(anything(&h.idem, "bad").await.is_err());
    }

    async fn results_that_are_not_clone_replay(h) {
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        struct Once(u64);

        #[idempotent(key = id, idem = idem)]
        async fn once(idem: &Idem, id: u64) -> Result<Once, ChargeError> {
            Ok(Once(id))
        }
        for kind in [Kind::Executed, Kind::Replayed] {
            let (answer, was) = with_outcome(once(&h.idem, 7)).await;
            assert_eq!((answer.unwrap(), was), (Once(7), Some(kind)));
        }
    }

    async fn a_clone_from_memory_is_neither_encoded_nor_decoded(h) {
        #[derive(Debug, Clone)]
        struct Counted;
        static CODED: AtomicUsize = AtomicUsize::new(0);
        impl Serialize for Counted {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                CODED.fetch_add(1, Ordering::SeqCst);
                serializer.serialize_unit()
            }
        }
        impl<'de> Deserialize<'de> for Counted {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                CODED.fetch_add(1, Ordering::SeqCst);
                <()>::deserialize(deserializer)?;
                Ok(Self)
            }
        }
        #[idempotent(key = id, idem = idem)]
        async fn counted(idem: &Idem, id: u64) -> Result<Counted, ChargeError> {
            let _ = id;
            Ok(Counted)
        }
        // The only test that uses this type; its two variants run on stores of their own and may overlap.
        static ONE_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
        let _one = ONE_AT_A_TIME.lock().await;
        counted(&h.idem, 7).await.unwrap();
        let after_the_run = CODED.load(Ordering::SeqCst);
        for _ in 0..3 {
            counted(&h.idem, 7).await.unwrap();
        }
        // A store that keeps bytes has nothing to clone.
        let decoded = if h.keeps_bytes() { 3 } else { 0 };
        assert_eq!(CODED.load(Ordering::SeqCst), after_the_run + decoded);
    }

    async fn a_body_may_begin_with_attributes(h) {
        #[idempotent(key = id, idem = idem)]
        async fn charge(idem: &Idem, id: u64) -> Result<u64, ChargeError> {
            #![allow(unused_variables)]
            let unused = 1;
            Ok(id)
        }
        assert_eq!(charge(&h.idem, 7).await.unwrap(), 7);
    }

    async fn a_result_of_self_may_hide_a_lifetime(h) {
        #[derive(Serialize, Deserialize)]
        struct Name<'a>(Cow<'a, str>);
        impl Name<'_> {
            #[idempotent(name = "name.same", key = self.0, idem = idem)]
            async fn same(&self, idem: &Idem) -> Result<Self, ChargeError> {
                Ok(Self(self.0.clone()))
            }
        }
        let name = Name("a".into());
        assert_eq!(name.same(&h.idem).await.unwrap().0, name.same(&h.idem).await.unwrap().0);
    }

    async fn scopes_nest(h) {
        #[idempotent(key = 1)]
        async fn constant(value: u64) -> Result<u64, ChargeError> {
            Ok(value)
        }
        let inner = Idem::new(MokaStore::new());
        h.idem.scope(async {
            assert_eq!(constant(1).await.unwrap(), 1);
            assert_eq!(inner.scope(constant(2)).await.unwrap(), 2);
            assert_eq!(constant(3).await.unwrap(), 1);
        }).await;
    }

    async fn with_outcome_is_of_the_last_outermost_call(h) {
        #[idempotent(key = id, idem = idem)]
        async fn inner(idem: &Idem, id: u64) -> Result<u64, ChargeError> {
            Ok(id)
        }
        #[idempotent(key = id, idem = idem)]
        async fn outer(idem: &Idem, id: u64) -> Result<u64, ChargeError> {
            inner(idem, 1).await?;
            inner(idem, id).await
        }
        let first = with_outcome(outer(&h.idem, 1)).await.1;
        assert_eq!(first, Some(Kind::Executed), "the inner one's replay does not count");
        assert_eq!(with_outcome(async { 7 }).await, (7, None));

        // Nor is one in its options, when it is refused itself.
        #[idempotent(name = "macros.keyed", key = outer(idem, id).await?, fingerprint = cents, idem = idem)]
        async fn keyed(idem: &Idem, id: u64, cents: u64) -> Result<u64, ChargeError> {
            Ok(cents)
        }
        assert_eq!(with_outcome(keyed(&h.idem, 1, 5)).await.1, Some(Kind::Executed));
        let (refused, kind) = with_outcome(keyed(&h.idem, 1, 6)).await;
        assert!(matches!(refused, Err(ChargeError::Idempotency(Error::KeyReused { .. }))), "{refused:?}");
        assert_eq!(kind, None);
        let both = with_outcome(async {
            outer(&h.idem, 1).await.unwrap();
            inner(&h.idem, 2).await.unwrap();
        });
        assert_eq!(both.await.1, Some(Kind::Executed), "the last one");
        let refused = with_outcome(async {
            inner(&h.idem, 3).await.unwrap();
            let refused = h.idem.operation("").key("k").run(async { Ok::<_, ChargeError>(1) });
            assert!(refused.await.is_err());
        });
        assert_eq!(refused.await.1, None, "the last one was refused");
        #[idempotent(key = text.parse::<u64>().map_err(|_| ChargeError::Declined)?, idem = idem)]
        async fn parsed(idem: &Idem, text: &str) -> Result<u64, ChargeError> {
            Ok(text.len() as u64)
        }
        let early = with_outcome(async {
            parsed(&h.idem, "12").await.unwrap();
            parsed(&h.idem, "x").await.unwrap_err();
        });
        assert_eq!(early.await.1, None, "the last one returned before its claim");
        let nested = with_outcome(async {
            inner(&h.idem, 4).await.unwrap();
            with_outcome(outer(&h.idem, 1)).await.1
        });
        assert_eq!(nested.await, (Some(Kind::Replayed), Some(Kind::Replayed)), "it is the last one of both");
        assert!(Kind::Attached.is_replayed() && !Kind::Unguarded.is_replayed());
    }

    async fn two_call_sites_with_one_name__config_naming_both(h) {
        #[idempotent(name = "shared.name", key = id, idem = idem)]
        async fn one(idem: &Idem, id: u64) -> Result<u64, ChargeError> {
            Ok(id)
        }
        #[idempotent(name = "shared.name", key = id, idem = idem)]
        async fn other(idem: &Idem, id: u64) -> Result<u64, ChargeError> {
            Ok(id + 1)
        }
        // Whichever is called first in the process has the name; both variants of this row call `one` first.
        assert_eq!(one(&h.idem, 7).await.unwrap(), 7);
        let claims = h.store.count(Verb::Claim);
        let Err(ChargeError::Idempotency(error @ Error::Config { .. })) = other(&h.idem, 7).await else {
            panic!("it ran")
        };
        let places = error.to_string();
        assert_eq!(places.matches("macros.rs:").count(), 2, "{places}");
        assert_eq!(error.operation(), "shared.name");
        assert_eq!(h.store.count(Verb::Claim), claims);
        assert_eq!(one(&h.idem, 7).await.unwrap(), 7, "the first one goes on");
    }

    async fn default_names_are_package_module_and_function(h) {
        let id = line!().into();
        h.idem.scope(charge(order(id))).await.unwrap();
        let refused = h.idem.scope(charge(Order { cents: 1, ..order(id) })).await.unwrap_err();
        let ChargeError::Idempotency(error) = refused else { panic!("{refused}") };
        assert_eq!(error.operation(), concat!(env!("CARGO_PKG_NAME"), " behaviour::macros::charge"));
    }

    async fn a_future_is_little_larger_than_the_plain_ones(h) {
        struct Large([u8; 8192]);
        impl Serialize for Large {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_bytes(&self.0)
            }
        }
        impl<'de> Deserialize<'de> for Large {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let bytes = Vec::<u8>::deserialize(deserializer)?;
                bytes.try_into().map(Self).map_err(|_| serde::de::Error::custom("another length"))
            }
        }
        type Answer = Result<Receipt, ChargeError>;
        async fn plain(idem: &Idem, order: Order) -> Answer {
            let large = [order.id; 256];
            tokio::task::yield_now().await;
            let _ = idem;
            Ok(Receipt { order: large[7], cents: 1 })
        }
        #[idempotent(key = order.id, fingerprint = order, idem = idem)]
        async fn guarded(idem: &Idem, order: Order) -> Answer {
            let large = [order.id; 256];
            tokio::task::yield_now().await;
            let _ = idem;
            Ok(Receipt { order: large[7], cents: 1 })
        }
        #[idempotent(key = order.id, reconcile = async { Ok(None) }, idem = idem, fingerprint = order, at_most_once)]
        async fn asking(idem: &Idem, order: Order) -> Answer {
            let large = [order.id; 256];
            tokio::task::yield_now().await;
            let _ = idem;
            Ok(Receipt { order: large[7], cents: 1 })
        }
        #[idempotent(key = 1, idem = idem)]
        async fn large(idem: &Idem) -> Result<Large, ChargeError> {
            Ok(Large([7; 8192].to_vec().try_into().unwrap()))
        }
        assert!(std::mem::size_of_val(&large(&h.idem)) <= 8 + std::mem::size_of::<Result<Large, ChargeError>>() + 512);
        let plain = std::mem::size_of_val(&plain(&h.idem, order(1)));
        let guarded = std::mem::size_of_val(&guarded(&h.idem, order(1)));
        assert!(guarded <= plain + std::mem::size_of::<Answer>() + 512, "{guarded} beside {plain}");
        let asking = std::mem::size_of_val(&asking(&h.idem, order(1)));
        assert!(asking <= plain + std::mem::size_of::<Answer>() + 512, "{asking} beside {plain}");
    }

    async fn futures_are_send_when_their_parts_are(h) {
        fn send<T: Send>(value: T) -> T { value }
        send(h.idem.scope(charge(order(line!().into())))).await.unwrap();
        send(h.op().run(async { Ok::<_, ChargeError>(1) })).await.unwrap();
        send(h.op().detached().run(async { Ok::<_, ChargeError>(1) })).await.unwrap();
    }
}

fn is_send<T: Send>(value: T) -> T {
    value
}

#[tokio::test]
#[allow(non_snake_case)]
async fn nothing_installed__not_installed() {
    let error = charge(order(1)).await.unwrap_err();
    assert!(matches!(error, ChargeError::Idempotency(Error::NotInstalled { .. })));
    assert_eq!(runs(1), 0);
}

mod renamed {
    pub(super) use ::idem as library;

    #[library::idempotent(key = id, idem = idem, crate = library)]
    pub(super) async fn charge(idem: &library::Idem, id: u64) -> Result<u64, super::ChargeError> {
        Ok(id)
    }
}

#[tokio::test]
async fn the_library_may_have_another_name() {
    assert_eq!(renamed::charge(&Idem::new(MokaStore::new()), 7).await.unwrap(), 7);
}
