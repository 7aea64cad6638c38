#![no_implicit_prelude]

use ::std::result::Result::Ok;

#[::idem::idempotent(key = "{id}", ttl = "1h", fingerprint = id, at_most_once)]
async fn charge(id: u64) -> ::std::result::Result<u64, ::idem::Error> {
    Ok(id)
}

#[::idem::idempotent(key = id, detached, reconcile = ask())]
async fn detached(id: u64) -> ::std::result::Result<u64, ::idem::Error> {
    Ok(id)
}

async fn ask() -> ::std::result::Result<::std::option::Option<u64>, ::idem::Error> {
    Ok(::std::option::Option::None)
}

fn main() {
    let idem = ::idem::Idem::new(::idem::MokaStore::new());
    ::std::assert!(::idem::install(idem).is_ok());
    let runtime = ::tokio::runtime::Builder::new_current_thread().enable_time().build();
    ::std::result::Result::unwrap(runtime).block_on(async {
        for _ in 0..2 {
            ::std::assert!(::std::matches!(charge(7).await, Ok(7)));
            ::std::assert!(::std::matches!(detached(7).await, Ok(7)));
        }
    });
}
