//! What the attribute makes, as tokens. `snapshots` shows whole functions; a change of them is read like any other diff:
//! `IDEM_SNAPSHOTS=write cargo test -p idem-macros` writes them anew.

use proc_macro2::TokenStream;
use quote::quote;
use syn::File;

use crate::expand::idempotent;

/// The function as it is compiled.
fn expanded(attribute: TokenStream, item: TokenStream) -> String {
    let tokens = idempotent(attribute, item);
    let file: File = syn::parse2(tokens).expect("it is Rust");
    prettyplease::unparse(&file)
}

/// The messages of all mistakes.
fn mistakes(attribute: TokenStream, item: TokenStream) -> Vec<String> {
    let text = idempotent(attribute, item).to_string();
    let (mut mistakes, mut rest) = (Vec::new(), &*text);
    while let Some((_, after)) = rest.split_once("compile_error ! {") {
        let (message, after) = after.split_once('}').expect("it is closed");
        mistakes.push(message.trim().trim_matches('"').to_owned());
        rest = after;
    }
    mistakes
}

fn snapshot(name: &str, attribute: TokenStream, item: TokenStream) {
    let path = format!("{}/src/tests/{name}.rs.snap", env!("CARGO_MANIFEST_DIR"));
    let expanded = expanded(attribute, item);
    if std::env::var_os("IDEM_SNAPSHOTS").is_some() {
        std::fs::write(&path, &expanded).expect("it can be written");
    }
    let known = std::fs::read_to_string(&path).expect("the snapshot");
    assert_eq!(expanded, known, "{name}");
}

#[test]
fn snapshots() {
    let charge = quote! {
        /// Charges.
        pub async fn charge(gateway: Arc<Gateway>, mut order: Order) -> Result<Receipt, ChargeError> {
            gateway.capture(&order).await
        }
    };
    snapshot("plain", quote!(key = order.id), charge.clone());
    snapshot(
        "detached",
        quote!(
            name = "payments.charge",
            key = (order.tenant, "{order.id}"),
            ttl = "1h30m",
            fingerprint = order,
            detached
        ),
        charge.clone(),
    );
    snapshot("reconcile", quote!(key = order.id, at_most_once, reconcile = gateway.find(&order.id)), charge);
    let method = quote! {
        fn charge<'life0, 'async_trait>(
            &'life0 self,
            __arg1: (u64, u64),
        ) -> ::core::pin::Pin<Box<dyn ::core::future::Future<Output = Result<u64, Error>> + ::core::marker::Send + 'async_trait>>
        where
            'life0: 'async_trait,
            Self: 'async_trait,
        {
            Box::pin(async move {
                if let ::core::option::Option::Some(__ret) = ::core::option::Option::None::<Result<u64, Error>> {
                    #[allow(unreachable_code)]
                    return __ret;
                }
                let __self = self;
                let (id, _) = { let __arg1 = __arg1; __arg1 };
                let __ret: Result<u64, Error> = { Ok(__self.base + id) };
                #[allow(unreachable_code)]
                __ret
            })
        }
    };
    snapshot("async_trait", quote!(name = "service.charge", key = (self.base, id)), method);
    let future = quote! {
        fn charge(id: u64) -> impl Future<Output = Result<u64, Error>> + Send {
            let twice = id * 2;
            async move { Ok(twice) }
        }
    };
    snapshot("impl_future", quote!(key = id), future);
}

#[test]
fn a_function_keeps_all_that_is_not_its_body() {
    let text = expanded(
        quote!(name = "n", key = id),
        quote! {
            #[inline]
            #[must_use = "money"]
            pub(crate) async unsafe fn r#match<'a, T: Clone, const N: usize>(
                &'a mut self,
                id: &'a str,
                #[cfg(test)] _other: T,
            ) -> Result<[T; N], Error>
            where
                T: Send,
            {
                body()
            }
        },
    );
    for kept in [
        "#[inline]",
        "#[must_use = \"money\"]",
        "pub(crate) async unsafe fn r#match<'a, T: Clone, const N: usize>",
        "&'a mut self",
        "#[cfg(test)]",
        "-> Result<[T; N], Error>",
        "T: Send,",
        "body()",
    ] {
        assert!(text.contains(kept), "{kept} in {text}");
    }
}

#[test]
fn options_are_evaluated_in_the_order_written() {
    let at = |text: &str, what: &str| text.find(what).unwrap_or_else(|| panic!("{what} in {text}"));
    let item = || {
        quote!(
            async fn f(a: u8) -> Result<u8, Error> {
                Ok(a)
            }
        )
    };
    let one = expanded(quote!(ttl = first(), key = second(a), wait = third()), item());
    assert!(at(&one, "first()") < at(&one, "second(a)") && at(&one, "second(a)") < at(&one, "third()"));
    let other = expanded(quote!(key = second(a), wait = third(), ttl = first()), item());
    assert!(at(&other, "second(a)") < at(&other, "third()") && at(&other, "third()") < at(&other, "first()"));
}

#[test]
fn nothing_is_moved_into_a_key() {
    let item = || {
        quote!(
            async fn f(a: String, b: (String, String)) -> Result<u8, Error> {
                drop((a, b))
            }
        )
    };
    for (key, borrowed) in [
        (quote!(a), "match &a"),
        (quote!((a)), "match &a"),
        (quote!((a, b.0)), "match &a"),
        (quote!((1, (b.0, b.1))), "match &b.0"),
        (quote!("{a}/{b.0}"), "placeholder(&a)"),
    ] {
        let text = expanded(quote!(key = #key), item());
        assert!(text.contains(borrowed), "{borrowed} in {text}");
    }
}

#[test]
fn all_mistakes_are_said_at_once_and_the_function_is_there_all_the_same() {
    let item = quote!(
        async fn f(id: u8) -> Result<u8, Error> {
            Ok(id)
        }
    );
    let attribute = quote!(kye = id, ttl = "1 day", lease = "0s", detached = true, ttl = "1h");
    let said = mistakes(attribute.clone(), item.clone());
    assert_eq!(said.len(), 5, "{said:#?}");
    assert!(said[0].contains("did you mean `key`"), "{said:#?}");
    let text = idempotent(attribute, item.clone()).to_string();
    assert!(text.ends_with(&item.to_string()), "{text}");
}

#[test]
fn half_typed_functions_are_left_as_they_are() {
    for half in [
        quote!(
            async fn f(id: u8) -> Result<u8, Error>;
        ),
        quote!(async fn f(id: u8) { order. }),
        quote!(
            struct NotAFunction;
        ),
        quote!(async fn),
        quote!(),
    ] {
        let text = idempotent(quote!(key = id), half.clone()).to_string();
        assert!(text.contains("compile_error"), "{text}");
        assert!(text.ends_with(&half.to_string()), "{text}");
    }
    // A body that is not finished yet: what is in it is the compiler's to judge, and the editor's to complete.
    let half = quote!(async fn f(order: Order) -> Result<u8, Error> { order. });
    let text = idempotent(quote!(key = order.id), half).to_string();
    assert!(text.contains("order .") && !text.contains("compile_error"), "{text}");
}
