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

#[async_trait::async_trait]
trait Charge {
    async fn above(&self, id: u64) -> Result<u64, Error>;
    async fn above_all(&self, id: u64, _: String) -> Result<u64, Error>;
    async fn below(&self, id: u64) -> Result<u64, Error>;
    async fn detached(self: std::sync::Arc<Self>, id: u64) -> Result<u64, Error>;
}

#[async_trait::async_trait]
impl Charge for u64 {
    #[tracing::instrument]
    #[idempotent(name = "above", key = (self, id))]
    async fn above(&self, id: u64) -> Result<u64, Error> {
        Ok(self + id)
    }

    #[tracing::instrument(skip_all, ret, err, fields(id))]
    #[idempotent(name = "above_all", key = (self, id))]
    async fn above_all(&self, id: u64, _: String) -> Result<u64, Error> {
        Ok(self + id)
    }

    #[idempotent(name = "below", key = (self, id))]
    #[tracing::instrument(ret, err)]
    async fn below(&self, id: u64) -> Result<u64, Error> {
        Ok(self + id)
    }

    #[tracing::instrument(ret, err)]
    #[idempotent(name = "detached", key = (self, id), detached)]
    async fn detached(self: std::sync::Arc<Self>, id: u64) -> Result<u64, Error> {
        Ok(*self + id)
    }
}

static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);

#[tokio::main(flavor = "current_thread")]
async fn main() {
    idem::install(Idem::new(MokaStore::new())).unwrap();
    for _ in 0..2 {
        assert_eq!(instrument_above(7).await.unwrap(), 7);
        assert_eq!(instrument_below(7).await.unwrap(), 7);
        assert_eq!(1.above(7).await.unwrap(), 8);
        assert_eq!(1.above_all(7, String::new()).await.unwrap(), 8);
        assert_eq!(1.below(7).await.unwrap(), 8);
        assert_eq!(std::sync::Arc::new(1).detached(7).await.unwrap(), 8);
        assert_eq!(conditional(7).await.unwrap(), 7);
        assert_eq!(never(7).await.unwrap(), 7);
        assert_eq!(above_cfg(7).await.unwrap(), 7);
    }
    assert_eq!(COUNT.load(std::sync::atomic::Ordering::SeqCst), 1);
}
