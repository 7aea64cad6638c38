use idem::{idempotent, Error, Idem, MokaStore};
use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

struct OrderId(u64);

impl idem::KeyPart for OrderId {
    fn write_to(&self, key: &mut idem::KeyWriter) {
        self.0.write_to(key);
    }
}

macro_rules! keys {
    ($($name:ident: $ty:ty = $value:expr;)*) => {
        $(
            #[idempotent(key = id)]
            async fn $name(id: $ty) -> Result<u8, Error> {
                Ok(1)
            }
        )*

        async fn all() {
            $(assert_eq!($name($value).await.unwrap(), 1, stringify!($name));)*
        }
    };
}

keys! {
    text: &str = "a";
    owned: String = "a".into();
    cow: Cow<'_, str> = "a".into();
    arc: Arc<str> = "a".into();
    rc: Rc<str> = "a".into();
    boxed: Box<u64> = Box::new(1);
    integer: i128 = -1;
    truth: bool = false;
    character: char = 'x';
    bytes: &[u8] = b"x";
    vec: Vec<u8> = vec![0];
    array: [u8; 3] = [0; 3];
    own: OrderId = OrderId(1);
    tuple: (u8, &str, (bool, OrderId)) = (1, "a", (true, OrderId(2)));
    hashed: idem::Hashed = idem::hash(&[1, 2]);
    optional: Option<u64> = None;
    reference: &&u64 = &&1;
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    idem::install(Idem::new(MokaStore::new())).unwrap();
    all().await;
}
