use idem::{idempotent, Error, Idem, MokaStore};
use std::borrow::Cow;

#[idempotent(key = id)]
async fn borrowed<'a>(id: &'a str, _other: &mut Vec<u8>) -> Result<String, Error> {
    Ok(id.to_owned())
}

#[idempotent(key = text)]
async fn cow<'a>(text: &'a str) -> Result<Cow<'a, str>, Error> {
    Ok(Cow::Borrowed(text))
}

struct Parser<'a>(&'a str);

impl<'a> Parser<'a> {
    #[idempotent(name = "parse", key = self.0)]
    async fn parse(&self) -> Result<usize, Error> {
        Ok(self.0.len())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    idem::install(Idem::new(MokaStore::new())).unwrap();
    let mut other = vec![];
    for _ in 0..2 {
        assert_eq!(borrowed("a", &mut other).await.unwrap(), "a");
        assert_eq!(cow("b").await.unwrap(), "b");
        assert_eq!(Parser("abc").parse().await.unwrap(), 3);
    }
}
