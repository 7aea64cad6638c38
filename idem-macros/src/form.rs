//! The forms in which a function hands its future over.

use proc_macro2::TokenStream;
use quote::{quote, ToTokens};
use syn::visit_mut::{self, VisitMut};
use syn::{
    Block, Expr, GenericArgument, Item, Local, Pat, PathArguments, ReturnType, Signature, Stmt, Type, TypeParamBound,
};

#[derive(Clone)]
pub(crate) enum Form {
    /// `async fn`, whose statements are the future's.
    Async,
    /// `fn … -> impl Future<Output = R>`, whose statements make the future.
    ImplFuture(Box<Type>),
    /// What `#[async_trait]` makes of an `async fn`, with the statements inside.
    AsyncTrait(Box<AsyncTrait>),
}

/// ```text
/// Box::pin(async move {
///     let __self = self;
///     let (a, b) = __arg1;
///     let __ret: R = { …the statements… };
///     __ret
/// })
/// ```
#[derive(Clone)]
pub(crate) struct AsyncTrait {
    /// The whole: `#[tracing::instrument]` may have put its own around
    /// them.
    around: Block,
    /// What stands before the statements: the arguments, under their names.
    pub(crate) before: Vec<Stmt>,
    /// `__ret`
    name: Pat,
    returns: Type,
    after: Vec<Stmt>,
}

impl Form {
    /// The form of a function, and its statements.
    pub(crate) fn of(sig: &Signature, body: TokenStream) -> (Self, TokenStream) {
        if sig.asyncness.is_some() {
            return (Self::Async, body);
        }
        if let ReturnType::Type(_, ty) = &sig.output {
            if let Some(output) = output(ty) {
                return (Self::ImplFuture(Box::new(output)), body);
            }
        }
        match syn::parse2(quote!({ #body })).ok().and_then(AsyncTrait::of) {
            Some((form, statements)) => (Self::AsyncTrait(Box::new(form)), statements),
            None => (Self::Async, body),
        }
    }

    /// What the future comes to, where that is not what the signature says.
    pub(crate) const fn returns(&self) -> Option<&Type> {
        match self {
            Self::Async => None,
            Self::ImplFuture(output) => Some(output),
            Self::AsyncTrait(form) => Some(&form.returns),
        }
    }

    /// The patterns that give arguments their names inside.
    pub(crate) fn inner_patterns(&self) -> impl Iterator<Item = &Pat> {
        let before = match self {
            Self::AsyncTrait(form) => &*form.before,
            Self::Async | Self::ImplFuture(_) => &[],
        };
        before.iter().filter_map(|stmt| match stmt {
            Stmt::Local(local) => Some(&local.pat),
            _ => None,
        })
    }

    /// The statements as those of a future.
    pub(crate) fn statements(&self, body: &TokenStream) -> TokenStream {
        match self {
            Self::Async | Self::AsyncTrait(_) => body.clone(),
            Self::ImplFuture(output) => quote! {
                #[allow(unused_braces, clippy::redundant_closure_call)]
                let __idem_future = __idem_private::once::<#output, _, _>(move || { #body });
                __idem_future.await
            },
        }
    }

    /// The function's block, around what is to be run.
    pub(crate) fn block(&self, run: TokenStream) -> TokenStream {
        match self {
            Self::Async => run,
            Self::ImplFuture(_) => quote!(async move { #run }),
            Self::AsyncTrait(form) => {
                let AsyncTrait { around, before, name, returns, after } = &**form;
                let mut around = around.clone();
                let stmts = before.iter().map(ToTokens::to_token_stream);
                let ret = quote!(let #name: #returns = { #run };);
                let inside = stmts.chain([ret]).chain(after.iter().map(ToTokens::to_token_stream)).collect();
                Future::find(&mut around, |block| {
                    block.stmts = vec![Stmt::Expr(Expr::Verbatim(inside), None)];
                });
                around.stmts.iter().map(ToTokens::to_token_stream).collect()
            }
        }
    }
}

impl AsyncTrait {
    fn of(mut around: Block) -> Option<(Self, TokenStream)> {
        let mut stmts = None;
        Future::find(&mut around, |block| stmts = Some(block.stmts.clone()));
        let stmts = stmts?;
        let at = stmts.iter().position(is_ret)?;
        let (before, rest) = stmts.split_at(at);
        let (Stmt::Local(Local { pat: Pat::Type(ret), init: Some(init), .. }), after) = rest.split_first()? else {
            return None;
        };
        let statements = match &*init.expr {
            Expr::Block(block) => block.block.stmts.iter().map(ToTokens::to_token_stream).collect(),
            other => other.to_token_stream(),
        };
        let form = Self {
            before: before.to_vec(),
            name: (*ret.pat).clone(),
            returns: (*ret.ty).clone(),
            after: after.to_vec(),
            around,
        };
        Some((form, statements))
    }
}

/// Finds the block of the future that `#[async_trait]` has made.
struct Future<F>(Option<F>);

impl<F: FnOnce(&mut Block)> Future<F> {
    fn find(around: &mut Block, found: F) {
        Self(Some(found)).visit_block_mut(around);
    }
}

impl<F: FnOnce(&mut Block)> VisitMut for Future<F> {
    fn visit_block_mut(&mut self, block: &mut Block) {
        if block.stmts.iter().any(is_ret) {
            if let Some(found) = self.0.take() {
                found(block);
            }
        } else {
            visit_mut::visit_block_mut(self, block);
        }
    }

    // What somebody's function has in it is his.
    fn visit_item_mut(&mut self, _: &mut Item) {}
}

/// `let __ret: R = …`
fn is_ret(stmt: &Stmt) -> bool {
    let Stmt::Local(Local { pat: Pat::Type(typed), .. }) = stmt else {
        return false;
    };
    matches!(&*typed.pat, Pat::Ident(name) if name.ident == "__ret")
}

/// `R` of `impl Future<Output = R>`
fn output(ty: &Type) -> Option<Type> {
    let Type::ImplTrait(ty) = ty else {
        return None;
    };
    let future = ty.bounds.iter().find_map(|bound| match bound {
        TypeParamBound::Trait(bound) => bound.path.segments.last().filter(|last| last.ident == "Future"),
        _ => None,
    })?;
    let PathArguments::AngleBracketed(arguments) = &future.arguments else {
        return None;
    };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::AssocType(output) if output.ident == "Output" => Some(output.ty.clone()),
        _ => None,
    })
}
