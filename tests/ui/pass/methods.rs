use idem::{idempotent, Error, Idem, MokaStore};
use std::sync::Arc;

#[derive(Clone)]
struct Service {
    charged: u64,
}

impl Service {
    #[idempotent(name = "by_ref", key = id)]
    async fn by_ref(&self, id: u64) -> Result<u64, Error> {
        Ok(self.charged + id)
    }

    #[idempotent(name = "by_mut", key = (id, self.charged))]
    async fn by_mut(&mut self, id: u64) -> Result<u64, Error> {
        self.charged += id;
        Ok(self.charged)
    }

    #[idempotent(name = "by_value", key = (self.charged, id))]
    async fn by_value(mut self, id: u64) -> Result<u64, Error> {
        self.charged += id;
        Ok(self.charged)
    }

    #[idempotent(name = "by_arc", key = id, detached)]
    async fn by_arc(self: Arc<Self>, id: u64) -> Result<u64, Error> {
        Ok(self.charged + id)
    }

    #[idempotent(name = "by_nothing", key = id)]
    async fn by_nothing(id: u64) -> Result<Vec<u64>, Error> {
        Ok(vec![id])
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    idem::install(Idem::new(MokaStore::new())).unwrap();
    let mut service = Service { charged: 1 };
    assert_eq!(service.by_ref(7).await.unwrap(), 8);
    assert_eq!(service.by_mut(7).await.unwrap(), 8);
    assert_eq!(service.charged, 8);
    assert_eq!(service.clone().by_value(7).await.unwrap(), 15);
    assert_eq!(Arc::new(service.clone()).by_arc(7).await.unwrap(), 15);
    service.charged = 0;
    assert_eq!(service.by_ref(7).await.unwrap(), 8);
    assert_eq!(Arc::new(service).by_arc(7).await.unwrap(), 15);
    assert_eq!(Service::by_nothing(7).await.unwrap(), [7]);
}
