use idem::{idempotent, Error, Idem, MokaStore};
use std::sync::Arc;

struct Order {
    id: u64,
    cents: u64,
}

#[async_trait::async_trait]
trait Charge {
    async fn charge(&self, order: Order) -> Result<u64, Error>;
    async fn pair(&mut self, (a, b): (u64, String), _: &str) -> Result<String, Error>;
    async fn detached(self: Arc<Self>, (a, _): (u64, u64), mut b: Vec<u64>) -> Result<Vec<u64>, Error>;
    async fn generic<T: serde::Serialize + Send + Sync>(&self, id: T) -> Result<String, Error>;
}

struct Gateway {
    name: String,
    calls: u64,
}

#[async_trait::async_trait]
impl Charge for Gateway {
    #[idempotent(name = "charge", key = (self.name, order.id))]
    async fn charge(&self, order: Order) -> Result<u64, Error> {
        if self.name.is_empty() {
            return Ok(0);
        }
        Ok(order.cents)
    }

    #[idempotent(name = "pair", key = "{self.name}/{a}/{b}")]
    async fn pair(&mut self, (a, b): (u64, String), _: &str) -> Result<String, Error> {
        self.calls += 1;
        Ok(format!("{a}{b}{}", self.calls))
    }

    #[idempotent(name = "detached", key = a, detached)]
    async fn detached(self: Arc<Self>, (a, _): (u64, u64), mut b: Vec<u64>) -> Result<Vec<u64>, Error> {
        b.push(a + self.calls);
        Ok(b)
    }

    #[idempotent(name = "generic", key = idem::hash(&id))]
    async fn generic<T: serde::Serialize + Send + Sync>(&self, id: T) -> Result<String, Error> {
        let _ = id;
        Ok(self.name.clone())
    }
}

fn is_send<T: Send>(value: T) -> T {
    value
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    idem::install(Idem::new(MokaStore::new())).unwrap();
    let mut gateway = Gateway { name: "acme".into(), calls: 0 };
    assert_eq!(is_send(gateway.charge(Order { id: 7, cents: 5 })).await.unwrap(), 5);
    assert_eq!(gateway.charge(Order { id: 7, cents: 6 }).await.unwrap(), 5);
    for _ in 0..2 {
        assert_eq!(gateway.pair((1, "x".into()), "y").await.unwrap(), "1x1");
        assert_eq!(gateway.generic(("a", 1)).await.unwrap(), "acme");
    }
    assert_eq!(gateway.calls, 1);
    let gateway = Arc::new(gateway);
    for b in [vec![7], vec![]] {
        assert_eq!(gateway.clone().detached((1, 2), b).await.unwrap(), [7, 2]);
    }
}
