use idem::{idempotent, Error, Idem, MokaStore};
use serde::{de::DeserializeOwned, Serialize};

trait Provider {
    type Out: Serialize + DeserializeOwned + Clone + Send + Sync;
    fn get(&self) -> Self::Out;
}

impl Provider for u8 {
    type Out = u64;
    fn get(&self) -> u64 {
        u64::from(*self)
    }
}

#[idempotent(name = "one", key = 1)]
async fn one<P: Provider>(provider: P) -> Result<P::Out, Error> {
    Ok(provider.get())
}

struct Of<Prov>(Prov);

impl<Prov: Provider> Of<Prov> {
    #[idempotent(name = "two", key = 1)]
    async fn two(&self) -> Result<Prov::Out, Error> {
        Ok(self.0.get())
    }

    #[idempotent(name = "three", key = 1)]
    async fn three(&self) -> Result<Vec<<Prov as Provider>::Out>, Error> {
        Ok(vec![self.0.get()])
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    idem::install(Idem::new(MokaStore::new())).unwrap();
    for _ in 0..2 {
        assert_eq!(one(7).await.unwrap(), 7);
        assert_eq!(Of(7).two().await.unwrap(), 7);
        assert_eq!(Of(7).three().await.unwrap(), [7]);
    }
}
