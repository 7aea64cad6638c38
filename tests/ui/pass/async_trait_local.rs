use idem::{idempotent, Error, Idem, MokaStore};

#[async_trait::async_trait(?Send)]
trait Charge {
    async fn charge(&self, id: u64) -> Result<u64, Error>;
}

struct Gateway(std::rc::Rc<u64>);

#[async_trait::async_trait(?Send)]
impl Charge for Gateway {
    #[idempotent(name = "charge", key = id)]
    async fn charge(&self, id: u64) -> Result<u64, Error> {
        let here = std::rc::Rc::clone(&self.0);
        tokio::task::yield_now().await;
        Ok(*here + id)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    idem::install(Idem::new(MokaStore::new())).unwrap();
    let gateway = Gateway(std::rc::Rc::new(1));
    assert_eq!(gateway.charge(7).await.unwrap(), 8);
    assert_eq!(gateway.charge(7).await.unwrap(), 8);
}
