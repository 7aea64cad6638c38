use idem::{idempotent, Error, Idem, MokaStore};

#[idempotent(key = id)]
async fn early(id: u64) -> Result<u64, Error> {
    if id == 1 {
        return Ok(1);
    }
    let found = 'search: {
        for n in 0.. {
            if n * n > id {
                break 'search n;
            }
        }
        0
    };
    let mut rounds = 0;
    'outer: loop {
        loop {
            tokio::task::yield_now().await;
            rounds += 1;
            if rounds == 3 {
                break 'outer;
            }
            continue 'outer;
        }
    }
    let text: u64 = match "7".parse::<u64>() {
        Ok(number) => number,
        Err(_) => return Ok(0),
    };
    other(found).await?;
    Ok(found + rounds + text)
}

async fn other(_: u64) -> Result<(), Error> {
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    idem::install(Idem::new(MokaStore::new())).unwrap();
    assert_eq!((early(1).await.unwrap(), early(8).await.unwrap(), early(8).await.unwrap()), (1, 13, 13));
}
