//! Fresh equals replayed, on every path: from memory and by decoding, in every codec. What a codec cannot bring back is not
//! replayed as something else.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt::Debug;

use idem::{idempotent, Codec, Error, Idem, MokaStore};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// What a replay has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comes {
    Back,
    Not,
}
use Comes::{Back, Not};

/// From memory, for it can be cloned.
#[idempotent(name = "results.remembered", key = 1, idem = idem)]
async fn remembered<T>(idem: &Idem, value: T) -> Result<T, Error>
where
    T: Clone + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static,
{
    Ok(value)
}

/// By decoding, for nothing is known of it.
#[idempotent(name = "results.decoded", key = 1, idem = idem)]
async fn decoded<T: Serialize + DeserializeOwned>(idem: &Idem, value: T) -> Result<T, Error> {
    Ok(value)
}

/// The same value, also where it says that it is not equal to itself.
fn same<T: PartialEq + Debug>(one: &T, other: &T) -> bool {
    #[allow(clippy::eq_op)]
    let says_nothing = one != one;
    one == other || (says_nothing && format!("{one:?}") == format!("{other:?}"))
}

async fn check<T>(value: T, json: Comes, messagepack: Comes)
where
    T: Clone + PartialEq + Debug + Serialize + DeserializeOwned + Send + Sync + 'static,
{
    for (codec, comes) in [(Codec::Json, json), (Codec::MessagePack, messagepack)] {
        for from_memory in [true, false] {
            let idem = Idem::builder(MokaStore::new()).codec(codec).build().unwrap();
            let call = || async {
                if from_memory {
                    remembered(&idem, value.clone()).await
                } else {
                    decoded(&idem, value.clone()).await
                }
            };
            let here = format!("{value:?} in {codec:?}, from memory: {from_memory}");
            let fresh = call().await.unwrap();
            assert!(same(&fresh, &value), "{here}");
            match (call().await, comes) {
                (Ok(replayed), Back) => assert!(same(&replayed, &fresh), "{replayed:?} for {here}"),
                (Err(Error::Unreplayable { .. }), Not) => {}
                (other, _) => panic!("{other:?} for {here}"),
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Nothing;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Empty {}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Variant {
    Unit,
    Newtype(Option<u8>),
    Tuple(u8, String),
    Struct { a: Option<()>, b: Vec<u8> },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
enum Tagged {
    A { x: u8 },
    B,
}

/// The first one that fits is taken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Small(u8),
    Number(u64),
    Text(String),
    AlsoText(String),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Flattened {
    id: u8,
    #[serde(flatten)]
    rest: Inner,
    #[serde(flatten)]
    more: BTreeMap<String, i64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Inner {
    big: u64,
    maybe: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Wide {
    id: u8,
    #[serde(flatten)]
    rest: WideInner,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct WideInner {
    wide: u128,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Defaulted {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    list: Vec<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    maybe: Option<u8>,
}

#[tokio::test]
async fn empty_and_falsy_values() {
    check((), Back, Back).await;
    check(None::<u8>, Back, Back).await;
    check(Some(0_u8), Back, Back).await;
    check(String::new(), Back, Back).await;
    check(false, Back, Back).await;
    check(0_i64, Back, Back).await;
    check(Vec::<u8>::new(), Back, Back).await;
    check(BTreeMap::<String, u8>::new(), Back, Back).await;
    check(Nothing, Back, Back).await;
    check(Empty {}, Back, Back).await;
    check('\0', Back, Back).await;
    check((String::new(), None::<()>, [0_u8; 0]), Back, Back).await;
}

#[tokio::test]
async fn some_around_what_is_written_as_null() {
    check(Some(()), Not, Not).await;
    check(Some(None::<u8>), Not, Not).await;
    check(Some(Some(7_u8)), Back, Back).await;
    check(None::<Option<u8>>, Back, Back).await;
    check(vec![Some(()), None], Not, Not).await;
    check(vec![None::<()>], Back, Back).await;
    check(Variant::Struct { a: Some(()), b: vec![] }, Not, Not).await;
    check(Variant::Struct { a: None, b: vec![] }, Back, Back).await;
    check(Some(Nothing), Not, Back).await;
}

#[tokio::test]
async fn floats_to_the_last_bit() {
    for float in [0.913_614_977_317_635_9, 0.1, -0.0, f64::MIN_POSITIVE, 5e-324, f64::MAX, f64::EPSILON, 1e21, 1.0] {
        check(float, Back, Back).await;
        let idem = Idem::new(MokaStore::new());
        decoded(&idem, float).await.unwrap();
        assert_eq!(decoded(&idem, 7.0_f64).await.unwrap().to_bits(), float.to_bits());
    }
    for float in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        check(float, Not, Back).await;
        check(Some(float), Not, Back).await;
        check(vec![1.0, float], Not, Back).await;
    }
    check(f32::MIN_POSITIVE, Back, Back).await;
    check(0.1_f32, Back, Back).await;
}

#[tokio::test]
async fn integers_of_any_width() {
    check(u64::MAX, Back, Back).await;
    check(i64::MIN, Back, Back).await;
    check(u128::MAX, Back, Back).await;
    check(i128::MIN, Back, Back).await;
    check(Some(u128::MAX), Back, Back).await;
}

#[tokio::test]
async fn map_keys_that_are_no_text() {
    check(BTreeMap::from([(1_u32, "a".to_owned()), (2, "b".to_owned())]), Back, Back).await;
    check(BTreeMap::from([(true, 1_u8)]), Back, Back).await;
    check(BTreeMap::from([((1_u8, 2_u8), 3_u8)]), Not, Back).await;
    check(BTreeMap::from([(vec![1_u8], 3_u8)]), Not, Back).await;
    check(BTreeMap::from([(Some(1_u8), 3_u8), (None, 4)]), Not, Back).await;
    check(HashMap::from([('x', 1_u8), ('y', 2), ('z', 3)]), Back, Back).await;
}

#[tokio::test]
async fn sets_and_their_order() {
    check((0..100).collect::<HashSet<u32>>(), Back, Back).await;
    check((0..100).collect::<BTreeSet<u32>>(), Back, Back).await;
    check(vec![3_u8, 1, 2], Back, Back).await;
}

#[tokio::test]
async fn enums_of_every_tagging() {
    check(vec![Variant::Unit, Variant::Newtype(None), Variant::Tuple(1, "a".into())], Back, Back).await;
    check(vec![Tagged::A { x: 1 }, Tagged::B], Back, Back).await;
    check(Untagged::Small(7), Back, Back).await;
    check(Untagged::Number(u64::MAX), Back, Back).await;
    check(Untagged::Text("a".into()), Back, Back).await;
}

/// Its look is another variant's, which no codec can tell apart, nor we: the README says so. But a replay is the same from
/// memory and by decoding.
#[tokio::test]
async fn an_untagged_variant_comes_back_as_the_first_that_fits_on_every_path() {
    let idem = Idem::new(MokaStore::new());
    assert_eq!(remembered(&idem, Untagged::Number(7)).await.unwrap(), Untagged::Number(7));
    assert_eq!(remembered(&idem, Untagged::Number(7)).await.unwrap(), Untagged::Small(7));
    assert_eq!(decoded(&idem, Untagged::AlsoText("a".into())).await.unwrap(), Untagged::AlsoText("a".into()));
    assert_eq!(decoded(&idem, Untagged::AlsoText("a".into())).await.unwrap(), Untagged::Text("a".into()));
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Skips {
    id: u8,
    #[serde(skip)]
    took_ms: u64,
}

#[tokio::test]
async fn fields_that_serde_skips_are_not_replayed_on_any_path() {
    let value = Skips { id: 7, took_ms: 17 };
    let replayed = Skips { id: 7, took_ms: 0 };
    let idem = Idem::new(MokaStore::new());
    assert_eq!(remembered(&idem, value.clone()).await.unwrap(), value);
    assert_eq!(remembered(&idem, value.clone()).await.unwrap(), replayed);
    assert_eq!(decoded(&idem, value.clone()).await.unwrap(), value);
    assert_eq!(decoded(&idem, value).await.unwrap(), replayed);
}

#[tokio::test]
async fn flattened_and_defaulted_fields() {
    let inner = Inner { big: u64::MAX, maybe: None };
    check(Flattened { id: 1, rest: inner.clone(), more: BTreeMap::new() }, Back, Back).await;
    check(Flattened { id: 1, rest: inner, more: BTreeMap::from([("x".into(), -1)]) }, Back, Back).await;
    // serde buffers what it flattens, and its buffer has no room for 128 bits.
    check(Wide { id: 1, rest: WideInner { wide: u128::MAX } }, Not, Not).await;
    check(Defaulted { list: vec![], maybe: None }, Back, Back).await;
    check(Defaulted { list: vec![0], maybe: Some(0) }, Back, Back).await;
}

#[tokio::test]
async fn text_and_bytes_of_every_kind() {
    check("\0\u{7f}\"\\\u{202e}ä\u{10ffff}".to_owned(), Back, Back).await;
    check((0..=255).collect::<Vec<u8>>(), Back, Back).await;
    // The limit is on all that is stored of it: a head of 11 bytes, and JSON's 2 quotes or MessagePack's length of 5.
    check("x".repeat(1024 * 1024 - 16), Back, Back).await;
    check("x".repeat(1024 * 1024), Not, Not).await;
    let op = Idem::new(MokaStore::new()).operation("results.large").key(1);
    let large = || std::future::ready(Ok::<_, ()>("x".repeat(1024 * 1024 - 12)));
    assert!(op.run(large()).await.is_ok());
    assert!(matches!(op.run(large()).await, Err(idem::CallError::Idem(idem::Error::Unreplayable { .. }))));
}

#[tokio::test]
async fn a_replay_from_memory_and_one_by_decoding_agree() {
    let idem = Idem::new(MokaStore::new());
    let value = Flattened { id: 1, rest: Inner { big: 2, maybe: Some("x".into()) }, more: BTreeMap::new() };
    assert_eq!(remembered(&idem, value.clone()).await.unwrap(), value);
    let from_memory = remembered(&idem, value.clone()).await.unwrap();
    let op = idem.operation("results.remembered").key(1);
    let by_decoding: Flattened = op.run(std::future::ready(Err(()))).await.unwrap().into_inner();
    assert_eq!(from_memory, by_decoding);
}

#[derive(Serialize, Deserialize)]
struct Deep(Vec<Deep>);

#[test]
fn a_result_ten_thousand_deep_is_not_recorded_and_does_no_harm() {
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let mut deep = Deep(vec![]);
            for _ in 0..10_000 {
                deep = Deep(vec![deep]);
            }
            let idem = Idem::new(MokaStore::new());
            let op = idem.operation("deep").key(1);
            let first = op.run(async { Ok::<_, ()>(deep) }).await;
            assert!(first.is_ok());
            // Its drop would end the stack, and is the test's own.
            std::mem::forget(first);
            let again = op.run(async { Ok::<_, ()>(Deep(vec![])) }).await;
            assert!(matches!(again, Err(idem::CallError::Idem(Error::Unreplayable { .. }))));
        });
    };
    // As large as a runtime's threads have it.
    std::thread::Builder::new().stack_size(2 * 1024 * 1024).spawn(run).unwrap().join().unwrap();
}
