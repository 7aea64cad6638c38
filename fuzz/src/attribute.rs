//! The attribute never panics; what it is on is there afterwards; and what is right is no mistake.

use arbitrary::{Result, Unstructured};
use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{File, Item};

use crate::expand::idempotent;

pub fn check(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let (attribute, item) = text.split_once('\0').unwrap_or((text, FUNCTIONS[0]));
        texts(attribute, item);
    }
    let _ = made(&mut Unstructured::new(bytes));
}

/// Deeper than anybody writes, a parser's stack ends: rustc's as syn's.
fn is_deep(text: &str) -> bool {
    let openers = |char: char| "([{<&*!-|".contains(char);
    text.chars().filter(|char| openers(*char)).count() > 200 || text.len() > 4096
}

fn texts(attribute: &str, item: &str) {
    if is_deep(attribute) || is_deep(item) {
        return;
    }
    let (Ok(attribute), Ok(item)) = (attribute.parse::<TokenStream>(), item.parse::<TokenStream>()) else { return };
    expanded(attribute, item);
}

/// The tokens made, if there was no mistake.
fn expanded(attribute: TokenStream, item: TokenStream) -> Option<TokenStream> {
    let tokens = idempotent(attribute, item.clone());
    let text = tokens.to_string();
    // The item may have a macro of that name in it, as its own.
    let mistakes = text.matches("compile_error").count() > item.to_string().matches("compile_error").count();
    if mistakes || text.ends_with(&item.to_string()) {
        assert!(text.ends_with(&item.to_string()), "whatever is wrong, the function is there: {text}");
        return None;
    }
    if let Ok(File { items, .. }) = syn::parse2::<File>(item) {
        let made: File = syn::parse2(tokens.clone()).unwrap_or_else(|error| panic!("{error}: {text}"));
        match (&items[..], &made.items[..]) {
            ([Item::Fn(one)], [Item::Fn(other)]) => {
                assert_eq!(one.sig.ident, other.sig.ident);
                assert_eq!(one.vis.to_token_stream().to_string(), other.vis.to_token_stream().to_string());
                assert!(other.attrs.len() > one.attrs.len(), "its attributes are kept");
                let output = |item: &syn::ItemFn| item.sig.output.to_token_stream().to_string();
                assert_eq!(output(one), output(other));
                assert_eq!(one.sig.inputs.len(), other.sig.inputs.len());
            }
            _ => panic!("one function is made of one: {text}"),
        }
    }
    Some(tokens)
}

/// Options that are right on every one of [`FUNCTIONS`], whose arguments are owned and have these names.
const RIGHT: [&[&str]; 14] = [
    &["ttl = \"24h\"", "ttl = \"1d 2h\"", "ttl = std::time::Duration::from_secs(id)", "ttl = (hours)(3)"],
    &["name = \"payments.charge\"", "name = (\"n\")"],
    &[
        "fingerprint = order",
        "fingerprint = (order.cents, &order)",
        "fingerprint = S { id }",
        "fingerprint = id as u8 + 1",
    ],
    &["lease = \"15s\"", "lease = if id > 1 { a() } else { b() }", "lease = \"1ms\""],
    &["wait = \"0s\"", "wait = \"25s\"", "wait = { wait }"],
    &["record_if = is_good", "record_if = Self::is_good", "record_if = <T as U<V>>::is_good"],
    &["record_err", "record_err = is_final"],
    &["unknown_err = Error::is_unknown"],
    &["at_most_once"],
    &["reconcile = find(id)", "reconcile = async { Ok(None) }", "reconcile = async move { order.find().await }"],
    &["detached"],
    &["map_err = Error::Idem"],
    &["idem = order.idem", "idem = &*IDEM", "idem = idem()?"],
    &["crate = ::idem", "crate = renamed"],
];

const KEYS: [&str; 9] = [
    "key = id",
    "key = order.id",
    "key = (order.tenant, id, (1, \"x\"))",
    "key = \"{order.id}:{id}\"",
    "key = (\"a{id}\", &order.tenant)",
    "key = Some(id)",
    "key = match id { 0 => None, id => Some(id) }",
    "key = id as u64 + 1",
    "key = Order { id, ..order }.id",
];

const WRONG: [&str; 16] = [
    "kye = id",
    "key",
    "key = ",
    "ttl = \"1 day\"",
    "lease = \"0s\"",
    "detached = true",
    "tx = id",
    "name = 3",
    "name = \"\"",
    "record_if = |x| true",
    "key = \"{}\"",
    "key = \"{\"",
    ",",
    "key == id",
    "ttl(\"1h\")",
    "r#key = id",
];

const FUNCTIONS: [&str; 6] = [
    "async fn charge(id: u64, order: Order) -> Result<u64, Error> { order.charge(id).await }",
    "/// Charges.\n#[inline]\npub(crate) async fn r#match(mut order: Order, id: u64) -> io::Result<Receipt> { #![allow(unused)] loop {} }",
    "fn charge(id: u64, order: Order) -> impl Future<Output = Result<u64, Error>> + Send { let id = id; async move { Ok(id) } }",
    "fn charge(id: u64, order: Order) -> ::core::pin::Pin<Box<dyn ::core::future::Future<Output = Result<u64, Error>> + ::core::marker::Send + 'async_trait>> where { Box::pin(async move { if let ::core::option::Option::Some(__ret) = ::core::option::Option::None::<Result<u64, Error>> { return __ret; } let id = id; let __ret: Result<u64, Error> = { Ok(id) }; __ret }) }",
    "async unsafe fn f(#[cfg(all())] id: u64, order: Order) -> Result<(), Box<dyn std::error::Error + Send>> { Err(\"}{\")? }",
    "async fn g(id: u64, order: Order) -> Result<Vec<Option<u8>>, anyhow::Error> where u8: Copy { return Ok(vec![]); }",
];

const ODD: [&str; 9] = [
    "struct NotAFunction;",
    "async fn f(id: u8) -> Result<u8, Error>;",
    "async fn f(id: u8) { order. }",
    "async fn",
    "",
    "const fn f(id: u8) -> Result<u8, Error> { Ok(id) }",
    "async fn f<T: Clone, const N: usize>(&mut self, id: &T, (a, _): (u8, [u8; N])) -> Result<&T, Error> { Ok(id) }",
    "fn f(self: Pin<&mut Self>, id: impl Into<u8>) -> Result<Cow<'_, str>, Error> { x }",
    "extern \"C\" fn f(id: u8, ...) -> ! { compile_error!(\"mine\") }",
];

fn made(u: &mut Unstructured<'_>) -> Result<()> {
    let mut options = vec![*u.choose(&KEYS)?];
    for right in RIGHT {
        if u.arbitrary()? {
            options.insert(u.int_in_range(0..=options.len())?, u.choose(right)?);
        }
    }
    let item = *u.choose(&FUNCTIONS)?;
    let parse = |text: &str| text.parse::<TokenStream>().expect("tokens");
    let attribute = options.join(", ");
    assert!(expanded(parse(&attribute), parse(item)).is_some(), "nothing is wrong with `{attribute}` on `{item}`");
    // And with something that is not right, or does not belong there.
    let odd = *u.choose(&ODD)?;
    texts(&attribute, odd);
    options.insert(u.int_in_range(0..=options.len())?, u.choose(&WRONG)?);
    texts(&options.join(*u.choose(&[", ", " ", ",,"])?), item);
    texts(&options.join(", "), odd);
    Ok(())
}
