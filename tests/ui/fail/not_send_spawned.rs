use idem::idempotent;

#[idempotent(key = id)]
async fn charge(id: u64) -> Result<u64, idem::Error> {
    let shared = std::rc::Rc::new(id);
    std::future::ready(()).await;
    Ok(*shared)
}

fn spawn(_: impl Send) {}

fn main() {
    spawn(charge(7));
}
