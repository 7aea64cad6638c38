//! What can be said of a function without knowing its types.

use proc_macro2::Span;
use quote::ToTokens;
use syn::punctuated::Punctuated;
use syn::{
    visit, Expr, Generics, Ident, PredicateType, Receiver, ReceiverKind, Token, Type, TypeParamBound, WherePredicate,
};

use crate::args::{Args, ValueOption};
use crate::fallback::Errors;
use crate::item::Item;

pub(crate) fn check(args: &Args, item: &Item, errors: &mut Errors) {
    options(args, item, errors);
    signature(item, errors);
    if args.detached {
        owned_arguments(item, errors);
    }
    for placeholder in &args.placeholders {
        known_argument(placeholder, item, errors);
    }
}

fn signature(item: &Item, errors: &mut Errors) {
    let sig = &item.sig;
    if let Some(constness) = &sig.constness {
        errors.spanning(constness, "a `const` function cannot be idempotent: it has no store to ask");
    } else if let Some(abi) = &sig.abi {
        errors.spanning(abi, "an `extern` function cannot be idempotent: call an async function from it");
    } else if sig.asyncness.is_none() && item.form.returns().is_none() {
        errors.spanning(sig.fn_token, "an idempotent function is async: write `async fn`");
    }
    match item.returns() {
        None => errors.spanning(&sig.ident, NO_RESULT),
        Some(ty) if is_no_result(ty) => errors.spanning(ty, NO_RESULT),
        Some(ty) if mentions_impl(ty) => {
            errors.spanning(ty, "a result that is replayed has a named type: `impl Trait` cannot be decoded");
        }
        Some(ty) => {
            if let Some(reference) = replayed_reference(ty) {
                errors.spanning(
                    reference,
                    "a result that is replayed is decoded, and a reference has nothing to point at: return an owned type, \
                     such as `String`, or `Cow<'_, str>`",
                );
            }
        }
    }
    if let Some(again) = item.attrs.iter().find(|attr| attr.path().segments.last().is_some_and(is_ours)) {
        errors.spanning(again, "the function is idempotent already: keep one of the two");
    }
}

fn is_ours(last: &syn::PathSegment) -> bool {
    last.ident == "idempotent"
}

/// The `&T` of `Result<&T, E>`, as far as one can see.
fn replayed_reference(ty: &Type) -> Option<&Type> {
    let Type::Path(path) = ty else { return None };
    let syn::PathArguments::AngleBracketed(arguments) = &path.path.segments.last()?.arguments else { return None };
    match arguments.args.first()? {
        syn::GenericArgument::Type(ok @ Type::Reference(_)) => Some(ok),
        _ => None,
    }
}

const NO_RESULT: &str =
    "an idempotent function returns a `Result`: its error side is how the caller hears that the store is \
                         down or another call is running";

/// Types that are certainly no `Result`. Any other name may be an alias of one; the compiler will tell.
fn is_no_result(ty: &Type) -> bool {
    const OTHERS: [&str; 20] = [
        "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64", "i128", "isize", "f32", "f64", "bool",
        "char", "String", "Vec", "Option", "Box",
    ];
    match ty {
        Type::Path(path) => {
            path.path.segments.last().is_some_and(|last| OTHERS.iter().any(|other| last.ident == other))
        }
        Type::Array(_) | Type::Never(_) | Type::Reference(_) | Type::Slice(_) | Type::Tuple(_) => true,
        _ => false,
    }
}

fn options(args: &Args, item: &Item, errors: &mut Errors) {
    // A key that was written wrong is there all the same.
    if !args.has(ValueOption::Key) && errors.is_empty() {
        errors
            .add(Span::call_site(), "no key: say what identifies the operation, as in `#[idempotent(key = order.id)]`");
    }
    match (&args.tx, &args.record_err) {
        (Some(tx), Some(_)) => errors.spanning(
            tx,
            "`tx` and `record_err` exclude each other: an error leaves nothing in the transaction, and no record either: leave \
             one out",
        ),
        // Better than to record beside the transaction.
        (Some(tx), None) => errors.spanning(
            tx,
            "`tx` is to come: no store of this version can record inside a transaction; leave it out, and guard the effect by \
             a unique key of your own",
        ),
        (None, _) => {}
    }
    if args.name.is_none() {
        let why = if item.is_method() {
            Some("a method's name does not tell its type")
        } else if item.is_generic() {
            Some("a generic function is many functions")
        } else if item.is_associated() {
            Some("an associated function's name does not tell its type")
        } else {
            None
        };
        if let Some(why) = why {
            errors.spanning(&item.sig.ident, format!("{why}: name the operation, as in `name = \"payments.charge\"`"));
        }
    }
}

fn owned_arguments(item: &Item, errors: &mut Errors) {
    const FIX: &str =
        "`detached` goes on when the caller is gone, so its arguments must be owned: take an `Arc` or a clone";
    match item.sig.receiver() {
        Some(receiver) if matches!(receiver.kind, ReceiverKind::Reference(..)) => errors.spanning(receiver, FIX),
        Some(Receiver { kind: ReceiverKind::Typed(_, ty), .. }) if matches!(**ty, Type::Reference(_)) => {
            errors.spanning(ty, FIX);
        }
        _ => {}
    }
    for (pat, ty) in item.typed_arguments() {
        if mentions(ty, Borrow::Written) {
            errors.spanning(ty, FIX);
        }
        let mut patterns = Patterns { errors: &mut *errors };
        visit::Visit::visit_pat(&mut patterns, pat);
    }
}

/// Patterns that would leave a part of their argument with the caller.
struct Patterns<'a> {
    errors: &'a mut Errors,
}

impl Patterns<'_> {
    fn refuse(&mut self, pat: &impl ToTokens) {
        self.errors.spanning(
            pat,
            "`detached` goes on when the caller is gone, and this leaves a part of the argument with the caller: name the \
             argument, and take it apart in the body",
        );
    }
}

impl<'ast> visit::Visit<'ast> for Patterns<'_> {
    fn visit_pat_ident(&mut self, pat: &'ast syn::PatIdent) {
        if pat.by_ref.is_some() {
            self.refuse(pat);
        }
    }

    fn visit_pat_rest(&mut self, pat: &'ast syn::PatRest) {
        self.refuse(pat);
    }
}

fn known_argument(placeholder: &Expr, item: &Item, errors: &mut Errors) {
    let names = item.argument_names();
    if let Some(root) = root(placeholder).filter(|root| !names.contains(&root.to_string())) {
        let known = if names.is_empty() { "it has none".into() } else { format!("they are {}", names.join(", ")) };
        errors.spanning(root, format!("`{root}` is none of the function's arguments: {known}"));
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

/// Whether a type has an `impl Trait` in it.
pub(crate) fn mentions_impl(ty: &Type) -> bool {
    struct Finder(bool);
    impl<'ast> visit::Visit<'ast> for Finder {
        fn visit_type_impl_trait(&mut self, _: &'ast syn::TypeImplTrait) {
            self.0 = true;
        }
    }
    let mut finder = Finder(false);
    visit::Visit::visit_type(&mut finder, ty);
    finder.0
}

/// Whether a return type borrows or may do so, as far as one can see. Such a result cannot be kept in memory.
pub(crate) fn may_borrow(ty: &Type, generics: &Generics) -> bool {
    mentions(ty, Borrow::WrittenOrHidden) || mentions_parameter(ty, generics)
}

/// Whether a type is made of a type parameter that may stand for something borrowed: one of the function's that is not
/// `'static`, or one of an `impl` around it, which has to be guessed by its name.
fn mentions_parameter(ty: &Type, generics: &Generics) -> bool {
    struct Finder<'a>(bool, &'a Generics);
    impl<'ast> visit::Visit<'ast> for Finder<'_> {
        fn visit_path(&mut self, path: &'ast syn::Path) {
            if let Some(name) = path.get_ident() {
                let own = self.1.type_params().any(|param| param.ident == *name);
                self.0 |= if own { !is_static(name, self.1) } else { is_a_parameters(&name.to_string()) };
            } else if let Some(first) = path.segments.first().filter(|_| path.segments.len() > 1) {
                // `P::Out`: a module's name is not written like this.
                self.0 |= first.ident.to_string().starts_with(char::is_uppercase);
            }
            visit::visit_path(self, path);
        }

        // `<P as Provider>::Out`
        fn visit_qself(&mut self, _: &'ast syn::QSelf) {
            self.0 = true;
        }
    }
    let mut finder = Finder(false, generics);
    visit::Visit::visit_type(&mut finder, ty);
    finder.0
}

/// Whether a type is made of what an `impl` around the function brings: `Self`, or a type parameter.
pub(crate) fn mentions_owner(ty: &Type, generics: &Generics) -> bool {
    struct Finder(bool);
    impl<'ast> visit::Visit<'ast> for Finder {
        fn visit_path_segment(&mut self, segment: &'ast syn::PathSegment) {
            self.0 |= segment.ident == "Self";
            visit::visit_path_segment(self, segment);
        }
    }
    let mut finder = Finder(false);
    visit::Visit::visit_type(&mut finder, ty);
    finder.0 || mentions_parameter(ty, generics)
}

/// `T`, `K2`
fn is_a_parameters(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(char::is_uppercase) && chars.all(|char| char.is_ascii_digit())
}

/// Whether the function says that a parameter of its is `'static`.
fn is_static(name: &Ident, generics: &Generics) -> bool {
    let says = |bounds: &Punctuated<TypeParamBound, Token![+]>| {
        bounds.iter().any(|bound| matches!(bound, TypeParamBound::Lifetime(lifetime) if lifetime.ident == "static"))
    };
    let in_where = |predicate: &WherePredicate| match predicate {
        WherePredicate::Type(PredicateType { bounded_ty: Type::Path(ty), bounds, .. }) => {
            ty.path.is_ident(name) && says(bounds)
        }
        _ => false,
    };
    generics.type_params().any(|param| param.ident == *name && says(&param.bounds))
        || generics.where_clause.iter().flat_map(|clause| &clause.predicates).any(in_where)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Borrow {
    /// A reference or a lifetime.
    Written,
    /// Also `Self`, which may have a lifetime that is not written here.
    WrittenOrHidden,
}

fn mentions(ty: &Type, borrow: Borrow) -> bool {
    struct Finder(bool, Borrow);
    impl<'ast> visit::Visit<'ast> for Finder {
        fn visit_lifetime(&mut self, lifetime: &'ast syn::Lifetime) {
            self.0 |= lifetime.ident != "static";
        }

        fn visit_type_reference(&mut self, reference: &'ast syn::TypeReference) {
            let is_static = reference.lifetime.as_ref().is_some_and(|lifetime| lifetime.ident == "static");
            self.0 |= !is_static;
            visit::visit_type_reference(self, reference);
        }

        fn visit_path_segment(&mut self, segment: &'ast syn::PathSegment) {
            self.0 |= self.1 == Borrow::WrittenOrHidden && segment.ident == "Self";
            visit::visit_path_segment(self, segment);
        }

        // What a function borrows when it is called is not borrowed by the function.
        fn visit_parenthesized_generic_arguments(&mut self, _: &'ast syn::ParenthesizedGenericArguments) {}
    }
    let mut finder = Finder(false, borrow);
    if !matches!(ty, Type::FnPtr(_)) {
        visit::Visit::visit_type(&mut finder, ty);
    }
    finder.0
}
