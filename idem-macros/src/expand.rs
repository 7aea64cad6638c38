//! The function as it is compiled. Only arranged here; what it does lives in the engine.

use proc_macro2::{Group, TokenStream, TokenTree};
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::visit_mut::{self, VisitMut};
use syn::{parse_quote, Attribute, FnArg, Generics, Ident, Pat, PatIdent, Path, Stmt, Type};

use crate::args::{Args, Value, ValueOption};
use crate::check::{check, may_borrow};
use crate::fallback::Errors;
use crate::form::Form;
use crate::item::Item;

pub(crate) fn idempotent(attribute: TokenStream, tokens: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let args = Args::parse(attribute, &mut errors);
    let item = match syn::parse2::<Item>(tokens.clone()) {
        Ok(item) => item,
        Err(error) => {
            errors.push(error);
            return errors.with(tokens);
        }
    };
    check(&args, &item, &mut errors);
    match item.returns() {
        Some(returns) if errors.is_empty() => function(&args, &item, returns),
        _ => errors.with(tokens),
    }
}

/// ```text
/// async fn charge(order: Order) -> Result<Receipt, ChargeError> {
///     static SITE: Site = Site::new("payments.charge", file!(), line!());
///     let returns = returns::<Result<Receipt, ChargeError>>().remember(…);
///     let mut guard = { …the options, borrowed… start(operation(&SITE)…)? };
///     let body = pin!(async move { …the body… });
///     execute(&mut guard, &returns, body).await
/// }
/// ```
/// The guard is made before the body and so dropped after it.
fn function(args: &Args, item: &Item, returns: &Type) -> TokenStream {
    let Item { attrs, vis, .. } = item;
    let Item { sig, form, body, .. } = &if args.detached { owned(item, args) } else { item.clone() };
    let krate: Path = args.krate.clone().unwrap_or_else(|| parse_quote!(::idem));
    let name = name(args, &sig.ident);
    let witness = witness(returns, &sig.generics, args);
    let reconciles = args.has(ValueOption::Reconcile);
    let guard = renamed(guard(args, returns), form);
    let statements = form.statements(body);
    // In a block of their own, that items which stand first in it still do. What is wrong with the whole body, such as that it
    // has no last expression, is said at its own braces.
    let mut within = TokenStream::new();
    item.brace.surround(&mut within, |within| within.extend(statements));
    let body = quote!(async move {
        #[allow(unknown_lints, unreachable_code, clippy::all, clippy::pedantic, clippy::nursery, clippy::restriction)]
        if false {
            // Makes the function's type known to the body, so that a mistake in it is reported in it.
            let __idem_returns: #returns = loop {};
            return __idem_returns;
        };
        #within
    });
    // With `reconcile` the guard has done the first half: the future may borrow what the body takes.
    let run = if args.detached {
        let run = if reconciles { "run_detached" } else { "detached" };
        call(returns, run, quote!(__idem_guard, __idem_returns, #body))
    } else {
        let run = if reconciles { "run" } else { "execute" };
        let call = call(returns, run, quote!(&mut __idem_guard, &__idem_returns, __idem_body));
        quote! {
            let __idem_body = ::core::pin::pin!(#body);
            #call
        }
    };
    let mutable = (!args.detached).then(|| quote!(mut));
    let block = form.block(quote! {
            use #krate::private as __idem_private;
            static __IDEM_SITE: __idem_private::Site =
                __idem_private::Site::new(#name, ::core::file!(), ::core::line!());
            __idem_private::called();
            let __idem_returns = #witness;
            let #mutable __idem_guard = #guard;
            #run
    });
    // The function's braces are the user's, that rustc goes on looking into it; its last expression is ours.
    let mut function = quote!(#(#attrs)* #[allow(clippy::implicit_return, clippy::manual_async_fn)] #vis #sig);
    item.brace.surround(&mut function, |function| function.extend(block));
    function
}

/// A call of one of the engine's functions for the function's type. All that is wrong with that type is said at its place
/// in the source, and so, however often it is met, said once.
fn call(returns: &Type, function: &str, arguments: TokenStream) -> TokenStream {
    let span = returns.span();
    let awaited = (function != "start").then(|| quote_spanned!(span=> .await));
    let function = Ident::new(function, span);
    quote_spanned!(span=> __idem_private::#function::<#returns>(#arguments)#awaited)
}

/// `self` under the name that it has where the options are evaluated.
fn renamed(tokens: TokenStream, form: &Form) -> TokenStream {
    if !matches!(form, Form::AsyncTrait(_)) {
        return tokens;
    }
    let rename = |token| match token {
        TokenTree::Ident(this) if this == "self" => TokenTree::Ident(Ident::new("__self", this.span())),
        TokenTree::Group(group) => {
            let mut renamed = Group::new(group.delimiter(), renamed(group.stream(), form));
            renamed.set_span(group.span());
            TokenTree::Group(renamed)
        }
        other => other,
    };
    tokens.into_iter().map(rename).collect()
}

/// Moves every argument into the body, also those it does not name: they live as long as it does. Without this they would
/// be dropped with the caller.
fn owned(item: &Item, args: &Args) -> Item {
    let mut item = item.clone();
    let mut bindings = Bindings { moves: TokenStream::new(), unnamed: 0, attrs: Vec::new(), args };
    let receiver = match &mut item.form {
        // The signature's names are not the body's.
        Form::AsyncTrait(form) => {
            form.before.iter_mut().for_each(|stmt| {
                if let Stmt::Local(local) = stmt {
                    bindings.visit_pat_mut(&mut local.pat);
                }
            });
            None
        }
        Form::Async | Form::ImplFuture(_) => {
            bindings.visit_signature_mut(&mut item.sig);
            item.sig.receiver().map(|receiver| {
                let this = &receiver.self_token;
                quote!(let _ = &#this;)
            })
        }
    };
    let Bindings { moves, .. } = bindings;
    let mut body = TokenStream::new();
    item.brace.surround(&mut body, |body| body.extend(item.body));
    // An arm gives back what its last expression borrows before the arguments go, as a function does. The end of a block would
    // come after theirs.
    item.body = quote!(#receiver #moves match () { () => #body });
    item
}

/// Collects the names that a signature binds, takes their `mut`s, and gives names to what has none.
struct Bindings<'a> {
    moves: TokenStream,
    unnamed: usize,
    /// Those of the argument that is looked at.
    attrs: Vec<Attribute>,
    args: &'a Args,
}

impl VisitMut for Bindings<'_> {
    fn visit_fn_arg_mut(&mut self, arg: &mut FnArg) {
        if let FnArg::Typed(typed) = arg {
            self.attrs = typed.attrs.clone();
            self.visit_pat_mut(&mut typed.pat);
        }
    }

    fn visit_pat_mut(&mut self, pat: &mut Pat) {
        if let Pat::Wild(wild) = pat {
            let name = format_ident!("__idem_unnamed_{}", self.unnamed, span = wild.underscore_token.span);
            self.unnamed += 1;
            *pat = parse_quote!(#name);
        }
        visit_mut::visit_pat_mut(self, pat);
    }

    fn visit_pat_ident_mut(&mut self, pat: &mut PatIdent) {
        let (name, attrs) = (&pat.ident, &self.attrs);
        let mutable = pat.mutability.take();
        // What an option uses is used, also where the body does not.
        let used = self.args.mentions(name).then(|| quote!(#[allow(unused_variables)]));
        self.moves.extend(quote! {
            #(#attrs)*
            #[allow(
                clippy::no_effect_underscore_binding,
                clippy::redundant_locals,
                clippy::shadow_same,
                clippy::used_underscore_binding
            )]
            #used
            let #mutable #name = #name;
        });
        visit_mut::visit_pat_ident_mut(self, pat);
    }
}

/// The operation's name: the one that was given, else package, module path and function.
fn name(args: &Args, function: &Ident) -> TokenStream {
    match &args.name {
        Some(name) => quote!(#name),
        None => {
            let function = function.unraw().to_string();
            quote! {
                ::core::concat!(::core::env!("CARGO_PKG_NAME"), " ", ::core::module_path!(), "::", #function)
            }
        }
    }
}

/// Asks of the return type all that must be true of it, once, at its place in the source.
fn witness(returns: &Type, generics: &Generics, args: &Args) -> TokenStream {
    let span = returns.span();
    let mut all = match &args.map_err {
        Some(map_err) => quote_spanned!(span=> __idem_private::returns_with::<#returns>(#map_err)),
        None => quote_spanned!(span=> __idem_private::returns::<#returns>()),
    };
    if let Some(record_if) = &args.record_if {
        all = quote!(#all.record_if(#record_if));
    }
    if let Some(record_err) = &args.record_err {
        let record_err = record_err.as_ref().map_or_else(|| quote!(__idem_private::every), |path| quote!(#path));
        let method = Ident::new("record_err", span);
        all = quote!(#all.#method(#record_err));
    }
    if let Some(unknown_err) = &args.unknown_err {
        all = quote!(#all.unknown_err(#unknown_err));
    }
    if may_borrow(returns, generics) {
        // Method lookup does not see lifetimes: it would promise to keep what is only borrowed.
        return all;
    }
    quote! {{
        #[allow(unused_imports)]
        use __idem_private::{DecodeOnly as _, Nothing as _, Remember as _};
        #all.remember((&&__idem_private::Probe::<#returns>::new()).memory())
    }}
}

/// Evaluates the options in the order they were written, and makes the operation of them.
///
/// Each is the scrutinee of a `match` around its use: so whatever it borrows lives until it was used, and no longer. A lock
/// that the key takes is free again when the fingerprint is made. Only what stands before `idem` has to wait for it, and
/// what the reconciling future borrows lives until that has ended.
fn guard(args: &Args, returns: &Type) -> TokenStream {
    let reconcile = |value: &&Value| value.option == ValueOption::Reconcile;
    let begin = args.values.iter().find(reconcile).map(|Value { span, .. }| {
        let (detached, future) = (args.detached, format_ident!("__idem_reconcile", span = *span));
        // Where its type is wrong, this is the one place that says so.
        let begin = call(returns, "begin", quote!(__idem_guard, &__idem_returns, __idem_ask, #detached));
        let found = quote_spanned!(*span=> let __idem_found: __idem_private::Found<#returns> = #future.await;);
        quote! {
            let __idem_ask = async move { #found __idem_found };
            let __idem_begun = #begin;
            let __idem_guard = match __idem_begun {
                ::core::result::Result::Ok(__idem_guard) => __idem_guard,
                ::core::result::Result::Err(__idem_answer) => return __idem_answer,
            };
        }
    });
    let started = call(returns, "start", quote!(__idem_operation, &__idem_returns));
    let reconciles = begin.is_some();
    let at_most_once = args.at_most_once.then(|| in_place(said(quote!(.at_most_once())), reconciles));
    let start = quote! {
        #at_most_once
        let __idem_guard = match #started {
            ::core::result::Result::Ok(__idem_guard) => __idem_guard,
            ::core::result::Result::Err(__idem_answer) => return __idem_answer,
        };
        #begin
        __idem_guard
    };
    let until_idem = args.values.iter().position(|value| value.option == ValueOption::Idem).map_or(0, |at| at + 1);
    let (first, then) = args.values.split_at(until_idem);
    let rest = then.iter().rev().fold(start, |rest, value| {
        let used = used(value);
        if value.option == ValueOption::Reconcile {
            let used = in_place(used, reconciles);
            return around(value, quote!({ #used #rest }));
        }
        let used = around(value, quote!({ #used }));
        let used = in_place(quote!(#used;), reconciles);
        quote!(#used #rest)
    });
    let idem = match first.last() {
        Some(idem) => {
            let idem = variable(idem);
            quote!(__idem_private::named(#idem))
        }
        None => quote!(::core::option::Option::None),
    };
    let used: TokenStream = first.iter().map(used).collect();
    let mut operation = quote!(__idem_private::operation(&__IDEM_SITE, #idem));
    if !used.is_empty() {
        operation = quote!({ let mut __idem_operation = #operation; #used __idem_operation });
    }
    let mutable = (!reconciles).then(|| quote!(mut));
    if first.iter().any(|value| reconcile(&value)) {
        let rest = quote!({ let #mutable __idem_operation = #operation; #rest });
        return first.iter().rev().fold(rest, |rest, value| around(value, rest));
    }
    let operation = first.iter().rev().fold(operation, |rest, value| around(value, rest));
    quote!({ let #mutable __idem_operation = #operation; #rest })
}

/// A value under its name, around what uses it.
fn around(value: &Value, rest: TokenStream) -> TokenStream {
    let tokens = &value.tokens;
    let name = variable(value);
    let tokens = match value.option {
        ValueOption::Ttl | ValueOption::Lease | ValueOption::Wait => {
            quote!({ let #name: __idem_private::Duration = #tokens; #name })
        }
        ValueOption::Reconcile | ValueOption::Idem | ValueOption::Key | ValueOption::Fingerprint => tokens.clone(),
    };
    let evaluated = value.first.iter().cloned().chain([(name, tokens)]);
    evaluated.rev().fold(rest, |rest, (name, tokens)| quote!(match #tokens { #name => #rest }))
}

/// What the operation is told of a value.
fn used(value: &Value) -> TokenStream {
    match value.option {
        ValueOption::Idem => TokenStream::new(),
        ValueOption::Reconcile => said(quote!(.reconciling())),
        option => {
            let (name, method) = (variable(value), Ident::new(method(option), value.span));
            said(quote_spanned!(value.span=> .#method(#name)))
        }
    }
}

/// Statements that tell the operation something where it lies. What was borrowed keeps its room in a future for as long as it has
/// its name: where the future waits for another one, the operation gets a new name.
fn in_place(statements: TokenStream, reconciles: bool) -> TokenStream {
    if !reconciles {
        return statements;
    }
    quote! {
        let __idem_operation = {
            let mut __idem_operation = __idem_operation;
            #statements
            __idem_operation
        };
    }
}

/// Tells the operation something, unless it was refused already.
fn said(call: TokenStream) -> TokenStream {
    quote! {
        if let ::core::result::Result::Ok(__idem_options) = &mut __idem_operation {
            __idem_options #call;
        }
    }
}

/// The name of a value.
fn variable(value: &Value) -> Ident {
    format_ident!("__idem_{}", method(value.option), span = value.span)
}

/// The builder's method of an option's name.
const fn method(option: ValueOption) -> &'static str {
    match option {
        ValueOption::Key => "key",
        ValueOption::Ttl => "ttl",
        ValueOption::Fingerprint => "fingerprint",
        ValueOption::Lease => "lease",
        ValueOption::Wait => "wait",
        ValueOption::Reconcile => "reconcile",
        ValueOption::Idem => "idem",
    }
}
