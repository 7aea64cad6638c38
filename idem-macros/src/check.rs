//! What can be said of a function without knowing its types.

use proc_macro2::Span;
use quote::ToTokens;
use syn::spanned::Spanned;
use syn::{Expr, Ident, ReceiverKind, Type};

use crate::args::{Args, ValueOption};
use crate::fallback::Errors;
use crate::item::Item;

pub(crate) fn check(args: &Args, item: &Item, errors: &mut Errors) {
    signature(item, errors);
    options(args, item, errors);
    if let Some(detached) = args.detached {
        owned_arguments(item, detached, errors);
    }
    for placeholder in &args.placeholders {
        known_argument(placeholder, item, errors);
    }
}

fn signature(item: &Item, errors: &mut Errors) {
    let sig = &item.sig;
    if let Some(constness) = &sig.constness {
        errors.add(constness.span, "a `const` function cannot be idempotent: it has no store to ask");
    } else if let Some(abi) = &sig.abi {
        errors.add(abi.span(), "an `extern` function cannot be idempotent: call an async function from it");
    } else if sig.asyncness.is_none() {
        errors.add(sig.fn_token.span, "an idempotent function is async: write `async fn`");
    }
    match item.returns() {
        None => errors.add(
            sig.ident.span(),
            "an idempotent function returns a `Result`: its error side says that the store is down or another call is running",
        ),
        Some(ty) if mentions_impl(ty) => {
            errors.add(ty.span(), "a result that is replayed has a named type: `impl Trait` cannot be decoded");
        }
        Some(_) => {}
    }
}

fn options(args: &Args, item: &Item, errors: &mut Errors) {
    if !args.has(ValueOption::Key) {
        errors
            .add(Span::call_site(), "no key: say what identifies the operation, as in `#[idempotent(key = order.id)]`");
    }
    if args.name.is_none() {
        let why = if item.is_method() {
            Some("a method's name does not tell its type")
        } else if item.is_generic() {
            Some("a generic function is many functions")
        } else {
            None
        };
        if let Some(why) = why {
            errors.add(item.sig.ident.span(), format!("{why}: name the operation, as in `name = \"payments.charge\"`"));
        }
    }
}

fn owned_arguments(item: &Item, detached: Span, errors: &mut Errors) {
    const FIX: &str =
        "`detached` goes on when the caller is gone, so its arguments must be owned: take an `Arc` or a clone";
    let borrowed_self = item.sig.receiver().filter(|receiver| match &receiver.kind {
        ReceiverKind::Value => false,
        ReceiverKind::Typed(_, ty) => matches!(**ty, Type::Reference(_)),
        _ => true,
    });
    let borrowed = item.typed_arguments().find(|(_, ty)| matches!(ty, Type::Reference(_)));
    let at = borrowed_self.map(Spanned::span).or_else(|| borrowed.map(|(_, ty)| ty.span()));
    if let Some(at) = at {
        errors.add(at, FIX);
    }
    let _ = detached;
}

fn known_argument(placeholder: &Expr, item: &Item, errors: &mut Errors) {
    let names = item.argument_names();
    if let Some(root) = root(placeholder).filter(|root| !names.contains(&root.to_string())) {
        let known = if names.is_empty() { "it has none".into() } else { format!("they are {}", names.join(", ")) };
        errors.add(root.span(), format!("`{root}` is none of the function's arguments: {known}"));
    }
}

/// `order` of `order.id`
fn root(path: &Expr) -> Option<&Ident> {
    match path {
        Expr::Path(path) => path.path.get_ident(),
        Expr::Field(field) => root(&field.base),
        _ => None,
    }
}

fn mentions_impl(ty: &Type) -> bool {
    struct Finder(bool);
    impl<'ast> syn::visit::Visit<'ast> for Finder {
        fn visit_type_impl_trait(&mut self, _: &'ast syn::TypeImplTrait) {
            self.0 = true;
        }
    }
    let mut finder = Finder(false);
    syn::visit::Visit::visit_type(&mut finder, ty);
    finder.0
}

/// Whether a return type borrows, as far as one can see. Such a result cannot be kept in memory.
pub(crate) fn borrows(ty: &Type) -> bool {
    struct Finder(bool);
    impl<'ast> syn::visit::Visit<'ast> for Finder {
        fn visit_lifetime(&mut self, lifetime: &'ast syn::Lifetime) {
            self.0 |= lifetime.ident != "static";
        }

        fn visit_type_reference(&mut self, _: &'ast syn::TypeReference) {
            self.0 = true;
        }
    }
    let mut finder = Finder(false);
    syn::visit::Visit::visit_type(&mut finder, ty);
    let _ = ty.to_token_stream();
    finder.0
}
