use idem_core::{Finish, Store};
use idem_redis::Error;
use idem_test_servers::Redis;

use crate::support::{builder, claim, completed, granted, key, replayed};

#[tokio::test]
async fn over_tls_and_only_with_the_right_authority() {
    let redis = Redis::builder().tls().start();
    let store = builder().root_certificate(redis.ca_pem()).connect(&redis.url()).await.unwrap();
    let (key, claim) = (key("k"), claim());
    granted(&store, &key, &claim).await;
    store.finish(&key, &Finish::new(claim.owner, completed(b"done"))).await.unwrap();
    assert_eq!(replayed(&store, &key).await, b"done");
    tokio::time::timeout(std::time::Duration::from_secs(5), store.changed(&key))
        .await
        .expect("hints come over TLS, too");
    let error = builder().connect(&redis.url()).await.unwrap_err();
    assert!(matches!(error, Error::Tls(_)), "{error:?}");
    let error = builder().root_certificate("no certificate").connect(&redis.url()).await.unwrap_err();
    assert!(matches!(error, Error::Tls(_)), "{error:?}");
}
