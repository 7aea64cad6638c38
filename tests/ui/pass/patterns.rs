use idem::{idempotent, Error, Idem, MokaStore};

struct Order {
    id: u64,
    cents: u64,
}

#[idempotent(key = id)]
async fn destructured(Order { id, cents }: Order, (a, [b, c]): (u8, [u8; 2])) -> Result<u64, Error> {
    Ok(cents + u64::from(a + b + c))
}

#[idempotent(key = id)]
async fn mutable(mut id: u64, mut list: Vec<u64>) -> Result<Vec<u64>, Error> {
    id += 1;
    list.push(id);
    Ok(list)
}

#[idempotent(key = id)]
async fn unnamed(id: u64, _: String, _unused: u8) -> Result<u64, Error> {
    Ok(id)
}

#[idempotent(key = id, detached)]
async fn detached(mut id: u64, Order { cents: mut money, id: _other }: Order, _: String) -> Result<u64, Error> {
    id += 1;
    money += id;
    Ok(money)
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    idem::install(Idem::new(MokaStore::new())).unwrap();
    let order = || Order { id: 7, cents: 5 };
    for _ in 0..2 {
        assert_eq!(destructured(order(), (1, [2, 3])).await.unwrap(), 11);
        assert_eq!(mutable(7, vec![1]).await.unwrap(), [1, 8]);
        assert_eq!(unnamed(7, String::new(), 1).await.unwrap(), 7);
        assert_eq!(detached(7, order(), String::new()).await.unwrap(), 13);
    }
}
