//! Connections that are secured, and such as cannot be.

use std::sync::Arc;
use std::time::Duration;

use idem_core::{Finish, Store, StoreError};
use idem_postgres::{PgError, PgStore};
use idem_test_servers::{Mode, Postgres, Proxy};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};

use crate::support::{assert_not_applied, assert_refused, assert_replays, call, done, eventually, key, own, soon};

fn trusting(ca: &str) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(config.with_root_certificates(roots).with_no_client_auth())
}

fn secured(postgres: &Postgres) -> String {
    postgres.psql(
        "SELECT count(*) FILTER (WHERE ssl), count(*) FILTER (WHERE NOT ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'idem'",
    )
}

#[tokio::test]
async fn they_are_secured_unless_the_url_says_otherwise() {
    let postgres = Postgres::builder().tls().start();
    let tls = trusting(&postgres.ca_pem());
    for (part, mode) in ["", "?sslmode=prefer", "?sslmode=require"].iter().enumerate() {
        let (url, part) = (format!("{}{mode}", postgres.url()), part.to_string());
        let store = PgStore::builder(&url).tls(tls.clone()).push(true).build().await.unwrap();
        call(&store, &key(&part), b"charged").await;
        assert_replays(&store, &key(&part), b"charged").await;
        assert_eq!(secured(&postgres), "1|0", "{mode}");
        // The one that listens, too.
        let owner = own(&store, &key("waited for")).await;
        let waits = tokio::spawn({
            let store = store.clone();
            async move { store.changed(&key("waited for")).await }
        });
        eventually("both are secured", || secured(&postgres) == "2|0").await;
        store.finish(&key("waited for"), &Finish::new(owner, done(b"charged"))).await.unwrap();
        soon(waits).await.unwrap();
        postgres.psql("DELETE FROM idem.records");
        drop(store);
        eventually("they are gone", || secured(&postgres) == "0|0").await;
    }
    let plain = PgStore::builder(&format!("{}?sslmode=disable", postgres.url())).tls(tls).build().await.unwrap();
    assert_eq!(secured(&postgres), "0|1");
    drop(plain);
}

#[tokio::test]
async fn an_authority_that_is_not_trusted() {
    let (postgres, other) = (Postgres::builder().tls().start(), Postgres::builder().tls().start());
    let error = PgStore::builder(&postgres.url()).tls(trusting(&other.ca_pem())).build().await.unwrap_err();
    assert!(matches!(error, PgError::Tls(_)), "{error:?}");
    assert!(error.to_string().contains("certificate"), "{error}");
    assert_refused(&StoreError::from(error));
}

/// Whoever stands between may say that the server has no TLS; it is not believed.
#[tokio::test]
async fn a_server_without() {
    let (postgres, with) = (Postgres::start(), Postgres::builder().tls().start());
    let tls = trusting(&with.ca_pem());
    for mode in ["", "?sslmode=prefer", "?sslmode=require"] {
        let url = format!("{}{mode}", postgres.url());
        let error = PgStore::builder(&url).tls(tls.clone()).build().await.unwrap_err();
        assert!(matches!(error, PgError::Tls(_)), "{mode}: {error:?}");
        assert!(error.to_string().contains("server does not support TLS"), "{error}");
    }
    let error = PgStore::connect(&format!("{}?sslmode=require", with.url())).await.unwrap_err();
    assert!(matches!(error, PgError::Url(_)) && error.to_string().contains("rustls"), "{error:?}");
}

/// A handshake that the network breaks off says nothing of the server.
#[tokio::test]
async fn a_handshake_that_is_cut() {
    let postgres = Postgres::builder().tls().start();
    let proxy = Proxy::start(postgres.port());
    let url = proxy.url(&postgres.url());
    let tls = trusting(&postgres.ca_pem());
    let store = PgStore::builder(&url).tls(tls.clone()).build().await.unwrap();
    proxy.set(Mode::BlackHole);
    let started = tokio::time::Instant::now();
    let error = soon(PgStore::builder(&url).tls(tls).build()).await.unwrap_err();
    assert!(matches!(error, PgError::Connect(_)), "{error:?}");
    assert!(started.elapsed() < Duration::from_secs(8), "a connection may take three seconds to be made");
    assert_not_applied(&error.into());
    proxy.set(Mode::Pass);
    call(&store, &key("a"), b"charged").await;
}
