//! The same test on each store.

/// Makes of each function that takes a [`Site`](crate::Site) a test for each store, without a memory in front and with one.
#[macro_export]
macro_rules! on_each_store {
    ($($test:ident)*) => {$(
        mod $test {
            use $crate::Place::{Postgres, Redis, Sqlite};

            $crate::on_each_store!(@ $test: redis Redis, redis_tiered Redis tiered, postgres Postgres,
                postgres_tiered Postgres tiered, sqlite Sqlite, sqlite_tiered Sqlite tiered);
        }
    )*};
    (@ $test:ident: $($on:ident $place:ident $($with:ident)?),*) => {$(
        #[test]
        fn $on() {
            super::$test($place.site()$(.$with())?);
        }
    )*};
}
