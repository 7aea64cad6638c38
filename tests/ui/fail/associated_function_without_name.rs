use idem::{idempotent, Error};

struct Of<T>(T);

impl<T: ToString + Send + Sync> Of<T> {
    #[idempotent(key = 1)]
    async fn text(of: T) -> Result<String, Error> {
        Ok(of.to_string())
    }

    #[idempotent(key = 1)]
    async fn of(of: std::sync::Arc<Self>) -> Result<String, Error> {
        Ok(of.0.to_string())
    }
}

fn main() {}
