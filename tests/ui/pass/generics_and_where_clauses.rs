use idem::{idempotent, Error, Idem, MokaStore};
use serde::{de::DeserializeOwned, Serialize};

#[idempotent(name = "generic", key = id)]
async fn generic<K, T>(id: K, make: impl Fn() -> T + Send, _: [u8; 2]) -> Result<T, Error>
where
    K: idem::KeyPart + Send,
    T: Serialize + DeserializeOwned + Send,
{
    Ok(make())
}

#[idempotent(name = "const", key = N)]
async fn constant<const N: usize>() -> Result<usize, Error> {
    Ok(N)
}

struct Of<T>(T);

impl<T: Clone + Serialize + DeserializeOwned + Send + Sync> Of<T> {
    #[idempotent(name = "of", key = id)]
    async fn get(&self, id: u64) -> Result<T, Error> {
        Ok(self.0.clone())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    idem::install(Idem::new(MokaStore::new())).unwrap();
    assert_eq!(generic("a", || 7, [0; 2]).await.unwrap(), 7);
    assert_eq!(generic("a", || 8, [0; 2]).await.unwrap(), 7);
    assert_eq!((constant::<1>().await.unwrap(), constant::<2>().await.unwrap()), (1, 2));
    assert_eq!(Of("x".to_owned()).get(1).await.unwrap(), "x");
}
