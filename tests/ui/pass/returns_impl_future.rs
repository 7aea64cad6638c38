use idem::{idempotent, Error, Idem, MokaStore};
use std::future::Future;

#[idempotent(key = id)]
fn charge(id: u64) -> impl Future<Output = Result<u64, Error>> + Send {
    let twice = id * 2;
    async move { Ok(twice) }
}

struct Service(u64);

impl Service {
    #[idempotent(name = "method", key = (self.0, id))]
    fn method<'a>(&'a self, id: &'a str) -> impl Future<Output = Result<String, Error>> + Send + use<'a> {
        async move { Ok(format!("{}{id}", self.0)) }
    }
}

fn is_send<T: Send>(value: T) -> T {
    value
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    idem::install(Idem::new(MokaStore::new())).unwrap();
    assert_eq!(is_send(charge(7)).await.unwrap(), 14);
    assert_eq!(charge(7).await.unwrap(), 14);
    assert_eq!(is_send(Service(1).method("a")).await.unwrap(), "1a");
}
