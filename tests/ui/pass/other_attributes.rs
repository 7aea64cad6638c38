use idem::{idempotent, Error, Idem, MokaStore};

/// Documented.
#[must_use = "money"]
#[tracing::instrument(skip_all, fields(id = id))]
#[idempotent(key = id)]
#[inline]
pub(crate) async fn instrument_above(id: u64) -> Result<u64, Error> {
    Ok(id)
}

#[idempotent(key = id)]
#[tracing::instrument(ret, err)]
async fn instrument_below(id: u64) -> Result<u64, Error> {
    Ok(id)
}

#[cfg_attr(all(), idempotent(key = id))]
async fn conditional(id: u64) -> Result<u64, Error> {
    COUNT.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    Ok(id)
}

#[cfg_attr(any(), idempotent(key = no_such_thing))]
async fn never(id: u64) -> Result<u64, Error> {
    Ok(id)
}

#[idempotent(key = id)]
#[cfg_attr(all(), allow(unused_mut))]
#[cfg(all())]
async fn above_cfg(mut id: u64) -> Result<u64, Error> {
    Ok(id)
}

#[cfg(any())]
#[idempotent(key = no_such_thing)]
async fn cut_out(id: u64) -> Result<u64, Error> {}

static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);

#[tokio::main(flavor = "current_thread")]
async fn main() {
    idem::install(Idem::new(MokaStore::new())).unwrap();
    for _ in 0..2 {
        assert_eq!(instrument_above(7).await.unwrap(), 7);
        assert_eq!(instrument_below(7).await.unwrap(), 7);
        assert_eq!(conditional(7).await.unwrap(), 7);
        assert_eq!(never(7).await.unwrap(), 7);
        assert_eq!(above_cfg(7).await.unwrap(), 7);
    }
    assert_eq!(COUNT.load(std::sync::atomic::Ordering::SeqCst), 1);
}
