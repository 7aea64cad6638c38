//! The `#[idempotent]` attribute of `idem`. Use it through the façade, `idem-rs`.

mod args;
mod check;
mod expand;
mod fallback;
mod form;
mod item;
#[cfg(test)]
mod tests;

use proc_macro::TokenStream;

/// Makes an async function safe to retry.
///
/// The first call with a key runs the body; every other call with that key gets the same result and the body does not run
/// again.
///
/// Every value is an expression over the function's arguments. They are evaluated once, in the order written, at the
/// first poll and before the body moves anything; they are borrowed, neither moved nor cloned. `?` in them returns from
/// the function.
///
/// | option | meaning | default |
/// |---|---|---|
/// | `key = EXPR` | what identifies the operation: text, integer, bool, char, bytes, UUID (feature `uuid`), anything with the one-method trait `KeyPart`, a reference or a tuple of those. In a string literal `{path}` stands for an argument. `Option` only as the whole key: `None` means "no key, run unguarded" | required |
/// | `ttl = "24h"` or an expression | how long a recorded result is replayed, counted from its recording | the `Idem`'s, 24 h |
/// | `name = "payments.charge"` | the operation's stable name, part of the stored key. Required on methods and on functions with type or const parameters | package, module path and function |
/// | `fingerprint = EXPR` | any `Serialize` value; the same key with another fingerprint is refused | none |
/// | `lease = "15s"` or an expression | how long a silent owner keeps the key; renewed while the body runs | the `Idem`'s, 15 s |
/// | `wait = "25s"` or an expression | how long a duplicate waits for the running call; `"0s"` refuses at once | the `Idem`'s, 25 s |
/// | `record_if = PATH` | `fn(&T) -> bool`: which `Ok` values count as success and are recorded | all |
/// | `record_err` or `record_err = PATH` | `fn(&E) -> bool`: which errors are recorded and replayed (then `E: Serialize + DeserializeOwned`). An error that came from this library never is | none |
/// | `unknown_err = PATH` | `fn(&E) -> bool`: errors that leave it open whether the effect happened, such as a gateway's time-out | none |
/// | `at_most_once` | after an attempt whose outcome is unknown, do not run again within the TTL | off |
/// | `reconcile = EXPR` | a future of `Result<Option<T>, E>`, awaited under a fresh lease in place of the body when an earlier attempt's outcome is unknown: `Some` is recorded and answered, `None` (it did not happen) runs the body, an error leaves the outcome unknown. It may borrow what the body takes; under `detached` it is asked before the body is handed over | none |
/// | `detached` | body and record run to their end even when the caller's future is dropped; arguments must be owned | off |
/// | `map_err = PATH` | `fn(idem::Error) -> E`, for error types that cannot implement `From` | `From::from` |
/// | `idem = EXPR` | the `Idem` to use: one, a reference, or anything that derefs to it | scoped, else installed |
/// | `crate = PATH` | where to find this library | `::idem` |
///
/// Durations are written as numbers with units: `ms`, `s`, `m`, `h`, `d`, also several as in `"1h30m"`; they are checked
/// when the program is compiled.
///
/// The function returns `Result<T, E>` with `T: Serialize + DeserializeOwned` and `E: From<idem::Error>` or `map_err`. It keeps
/// its signature, attributes and generics.
///
/// # Cancellation
/// Dropped before the body's first poll, the key is free again. Dropped while the body runs, the body is dropped first
/// and its outcome counts as unknown; with `detached` it runs on. Dropped once the body has ended, the record is written in
/// the background.
///
/// # Panics
/// A panic of the body goes on to the caller; its outcome counts as unknown. Nothing else panics.
#[proc_macro_attribute]
pub fn idempotent(args: TokenStream, item: TokenStream) -> TokenStream {
    expand::idempotent(args.into(), item.into()).into()
}
