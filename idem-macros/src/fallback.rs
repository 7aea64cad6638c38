//! What is left when something is wrong: every mistake at its place, and the function all the same.

use std::fmt::Display;

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::Error;

/// All mistakes of one attribute.
#[derive(Default)]
pub(crate) struct Errors(Option<Error>);

impl Errors {
    pub(crate) fn add(&mut self, at: Span, message: impl Display) {
        self.push(Error::new(at, message));
    }

    /// A mistake that is all of `tokens`.
    pub(crate) fn spanning(&mut self, tokens: impl ToTokens, message: impl Display) {
        self.push(Error::new_spanned(tokens, message));
    }

    pub(crate) fn push(&mut self, error: Error) {
        match &mut self.0 {
            Some(errors) => errors.combine(error),
            None => self.0 = Some(error),
        }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The mistakes, and the function as it was written: whoever calls it should not be told of it too.
    pub(crate) fn with(self, item: TokenStream) -> TokenStream {
        let mut tokens = self.0.map(|errors| errors.to_compile_error()).unwrap_or_default();
        tokens.extend(item);
        tokens
    }
}
