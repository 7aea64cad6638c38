#![deny(warnings)]
use idem::{idempotent, Error, Idem, MokaStore};
use std::future::{ready, Future};

#[idempotent(key = id)]
fn early(id: u64) -> impl Future<Output = Result<u64, Error>> {
    if id == 0 {
        return ready(Ok(1));
    }
    ready(Ok(id))
}

struct Service(u64);

impl Service {
    #[idempotent(name = "by_mut", key = id)]
    fn by_mut<'a>(&'a mut self, id: &'a str) -> impl Future<Output = Result<u64, Error>> + Send + 'a {
        let this = &mut *self;
        async move {
            this.0 += id.len() as u64;
            Ok(this.0)
        }
    }

    #[idempotent(name = "detached", key = id, detached)]
    fn detached(mut self, id: String) -> impl Future<Output = Result<u64, Error>> + Send {
        self.0 += 1;
        if id.is_empty() {
            return Box::pin(ready(Ok(0_u64))) as std::pin::Pin<Box<dyn Future<Output = Result<u64, Error>> + Send>>;
        }
        Box::pin(async move { Ok(self.0 + id.len() as u64) })
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    idem::install(Idem::new(MokaStore::new())).unwrap();
    for _ in 0..2 {
        assert_eq!((early(0).await.unwrap(), early(7).await.unwrap()), (1, 7));
        assert_eq!(Service(1).by_mut("ab").await.unwrap(), 3);
        assert_eq!(Service(1).detached("ab".into()).await.unwrap(), 4);
    }
}
