use idem::{idempotent, Error, Idem, MokaStore};

macro_rules! make {
    ($name:ident, $key:expr, $($arg:ident: $ty:ty),*) => {
        #[idempotent(key = $key)]
        async fn $name($($arg: $ty),*) -> Result<String, Error> {
            let text = format!("{:?}", ($($arg,)*));
            assert!(matches!(&*text, _), "{text}");
            Ok(vec![text].concat())
        }
    };
    (body $name:ident $body:block) => {
        #[idempotent(key = 1)]
        async fn $name() -> Result<u64, Error> $body
    };
}

make!(pair, (a, b), a: u64, b: String);
make!(one, a, a: u64);
make!(body constant { Ok(7) });

#[tokio::main(flavor = "current_thread")]
async fn main() {
    idem::install(Idem::new(MokaStore::new())).unwrap();
    assert_eq!(pair(1, "x".into()).await.unwrap(), "(1, \"x\")");
    assert_eq!(one(1).await.unwrap(), "(1,)");
    assert_eq!(constant().await.unwrap(), 7);
}
