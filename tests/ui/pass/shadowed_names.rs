use idem::{idempotent, Error, Idem, MokaStore};

#[allow(dead_code)]
struct Box;
#[allow(dead_code)]
struct Option;
#[allow(dead_code)]
enum Result2 {
    Ok,
    Err,
}
#[allow(non_snake_case, dead_code)]
fn Ok<T>(value: T) -> std::result::Result<T, Error> {
    std::result::Result::Ok(value)
}
#[allow(unused_macros)]
macro_rules! file {
    () => {
        compile_error!("not this one")
    };
}
mod core {}
#[allow(dead_code)]
mod idem_private {}

#[idempotent(key = id, ttl = "1h", detached, reconcile = async { std::result::Result::Ok(None) })]
async fn charge(id: u64) -> std::result::Result<u64, Error> {
    Ok(id)
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    idem::install(Idem::new(MokaStore::new())).unwrap();
    assert_eq!(charge(7).await.unwrap(), 7);
    assert_eq!(charge(7).await.unwrap(), 7);
}
