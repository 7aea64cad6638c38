//! The annotated function. Its body is not looked into.

use std::collections::HashSet;

use proc_macro2::TokenStream;
use syn::parse::{Parse, ParseStream};
use syn::{
    token, AttrStyle, Attribute, Error, FnArg, GenericParam, Ident, Pat, ReturnType, Signature, Type, Visibility,
};

use crate::check::{mentions_impl, mentions_owner};
use crate::form::Form;

#[derive(Clone)]
pub(crate) struct Item {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) sig: Signature,
    pub(crate) brace: token::Brace,
    /// The statements, without their braces.
    pub(crate) body: TokenStream,
    pub(crate) form: Form,
}

impl Parse for Item {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut attrs = input.call(Attribute::parse_outer)?;
        let vis = input.parse()?;
        let sig: Signature = input
            .parse()
            .map_err(|error| Error::new(error.span(), format!("`#[idempotent]` goes on an async function: {error}")))?;
        if input.peek(syn::Token![;]) {
            return Err(input.error("the function has no body: annotate the method of the `impl`, not the trait's"));
        }
        let content;
        let brace = syn::braced!(content in input);
        // `#![allow(…)]` at the top of a body is the function's own.
        let inner = content.call(Attribute::parse_inner)?;
        attrs.extend(inner.into_iter().map(|attr| Attribute { style: AttrStyle::Outer, ..attr }));
        let (form, body) = Form::of(&sig, content.parse()?);
        Ok(Self { attrs, vis, sig, brace, body, form })
    }
}

impl Item {
    /// What the function's future comes to.
    pub(crate) fn returns(&self) -> Option<&Type> {
        match &self.sig.output {
            ReturnType::Type(_, ty) => self.form.returns().or(Some(ty)),
            ReturnType::Default => None,
        }
    }

    pub(crate) fn is_method(&self) -> bool {
        self.sig.receiver().is_some()
    }

    /// Whether a function without a receiver belongs to a type nevertheless, as far as its signature tells.
    pub(crate) fn is_associated(&self) -> bool {
        let arguments = self.typed_arguments().map(|(_, ty)| ty);
        arguments.chain(self.returns()).any(|ty| mentions_owner(ty, &self.sig.generics))
    }

    /// Whether one function of the source is many in the program.
    pub(crate) fn is_generic(&self) -> bool {
        let many = |param: &GenericParam| !matches!(param, GenericParam::Lifetime(_));
        self.sig.generics.params.iter().any(many) || self.typed_arguments().any(|(_, ty)| mentions_impl(ty))
    }

    pub(crate) fn typed_arguments(&self) -> impl Iterator<Item = (&Pat, &Type)> {
        self.sig.inputs.iter().filter_map(|input| match input {
            FnArg::Typed(typed) => Some((&*typed.pat, &*typed.ty)),
            FnArg::Receiver(_) => None,
        })
    }

    /// The names that expressions can use.
    pub(crate) fn argument_names(&self) -> Vec<String> {
        let mut names = Names(Vec::new());
        for pat in self.typed_arguments().map(|(pat, _)| pat).chain(self.form.inner_patterns()) {
            syn::visit::Visit::visit_pat(&mut names, pat);
        }
        if self.is_method() {
            names.0.push("self".into());
        }
        // What another attribute has made of them is not what was written.
        let Names(mut names) = names;
        let mut seen = HashSet::new();
        names.retain(|name| !name.starts_with("__") && seen.insert(name.clone()));
        names
    }
}

struct Names(Vec<String>);

impl<'ast> syn::visit::Visit<'ast> for Names {
    fn visit_pat_ident(&mut self, pat: &'ast syn::PatIdent) {
        self.0.push(Ident::to_string(&pat.ident));
        syn::visit::visit_pat_ident(self, pat);
    }
}
