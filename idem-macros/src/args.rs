//! The attribute's options.

mod duration;
mod suggest;
mod template;

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{format_ident, quote, quote_spanned, ToTokens};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::spanned::Spanned;
use syn::{token, Error, Expr, ExprLit, ExprPath, Ident, Lit, LitStr, Path, Token};

use crate::fallback::Errors;

/// What was written in the attribute.
#[derive(Default)]
pub(crate) struct Args {
    /// What is evaluated for each call, in the order written.
    pub(crate) values: Vec<Value>,
    pub(crate) name: Option<LitStr>,
    pub(crate) detached: bool,
    pub(crate) at_most_once: bool,
    pub(crate) record_if: Option<ExprPath>,
    /// `Some(None)` records every error.
    pub(crate) record_err: Option<Option<ExprPath>>,
    pub(crate) unknown_err: Option<ExprPath>,
    pub(crate) map_err: Option<ExprPath>,
    pub(crate) krate: Option<Path>,
    /// Where `tx` stands.
    pub(crate) tx: Option<Ident>,
    /// The paths in placeholders, which must begin with an argument.
    pub(crate) placeholders: Vec<Expr>,
}

/// An option whose value is an expression.
pub(crate) struct Value {
    pub(crate) option: ValueOption,
    /// What was written, to point at.
    pub(crate) span: Span,
    /// What is evaluated first, each under a name of its own.
    pub(crate) first: Vec<(Ident, TokenStream)>,
    /// What it evaluates to, for the builder's method of the option's name.
    pub(crate) tokens: TokenStream,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum ValueOption {
    Key,
    Ttl,
    Fingerprint,
    Lease,
    Wait,
    Reconcile,
    Idem,
}

const OPTIONS: [&str; 16] = [
    "key",
    "ttl",
    "name",
    "fingerprint",
    "lease",
    "wait",
    "record_if",
    "record_err",
    "unknown_err",
    "at_most_once",
    "reconcile",
    "detached",
    "tx",
    "map_err",
    "idem",
    "crate",
];

impl Args {
    /// Reads all options, and notes all mistakes in them.
    pub(crate) fn parse(tokens: TokenStream, errors: &mut Errors) -> Self {
        let mut args = Self::default();
        let mut seen = Vec::new();
        let parser = |input: ParseStream<'_>| {
            while !input.is_empty() {
                let option = input.call(Ident::parse_any)?;
                if seen.contains(&option) {
                    errors.add(option.span(), format!("`{option}` is given twice: keep one"));
                }
                if let Err(error) = args.option(&option, input, errors) {
                    errors.push(error);
                    skip_to_comma(input)?;
                }
                seen.push(option);
                if !input.is_empty() && !input.peek(Token![,]) {
                    errors.push(input.error("a comma belongs before this: options are separated by commas"));
                    skip_to_comma(input)?;
                }
                if !input.is_empty() {
                    input.parse::<Token![,]>()?;
                }
            }
            Ok(())
        };
        if let Err(error) = parser.parse2(tokens) {
            errors.push(error);
        }
        args
    }

    pub(crate) fn has(&self, option: ValueOption) -> bool {
        self.values.iter().any(|value| value.option == option)
    }

    /// Whether an expression names `ident`.
    pub(crate) fn mentions(&self, ident: &Ident) -> bool {
        let named = |tokens| names(tokens, ident);
        self.values.iter().any(|value| named(&value.tokens) || value.first.iter().any(|(_, tokens)| named(tokens)))
    }

    fn option(&mut self, option: &Ident, input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<()> {
        match option.to_string().as_str() {
            "key" => {
                let value = value::<Expr>(option, input)?;
                let mut first = Vec::new();
                let tokens = match bare(&value) {
                    Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) if text.value().is_empty() => {
                        return Err(Error::new(text.span(), "the key is empty: say what identifies the operation"));
                    }
                    Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => self.template(text)?,
                    Expr::Tuple(_) => {
                        let parts = self.parts(&value, &mut first)?;
                        quote_spanned!(value.span()=> &#parts)
                    }
                    value => borrowed(value),
                };
                self.values.push(Value { option: ValueOption::Key, span: value.span(), first, tokens });
            }
            "fingerprint" => {
                let value = value::<Expr>(option, input)?;
                self.value(ValueOption::Fingerprint, &value, borrowed(&value));
            }
            "idem" => {
                let value = value::<Expr>(option, input)?;
                self.value(ValueOption::Idem, &value, borrowed(&value));
            }
            "reconcile" => {
                let value = value::<Expr>(option, input)?;
                self.value(ValueOption::Reconcile, &value, operand(bare(&value)));
            }
            "ttl" => self.duration(ValueOption::Ttl, option, input)?,
            "lease" => self.duration(ValueOption::Lease, option, input)?,
            "wait" => self.duration(ValueOption::Wait, option, input)?,
            "name" => {
                let name = value::<Expr>(option, input)?;
                let Expr::Lit(ExprLit { lit: Lit::Str(name), .. }) = bare(&name) else {
                    return Err(Error::new_spanned(
                        &name,
                        "the name is known when the program is compiled: write it as text, as in \"payments.charge\"",
                    ));
                };
                let name = name.clone();
                if name.value().is_empty() {
                    errors.add(
                        name.span(),
                        "the name is empty: give the operation a stable one, as in \"payments.charge\"",
                    );
                }
                self.name = Some(name);
            }
            "detached" => self.detached = flag(option, input)?,
            "at_most_once" => self.at_most_once = flag(option, input)?,
            "record_if" => self.record_if = Some(function(option, input)?),
            "record_err" => {
                let path = input.peek(Token![=]).then(|| function(option, input)).transpose()?;
                self.record_err = Some(path);
            }
            "unknown_err" => self.unknown_err = Some(function(option, input)?),
            "map_err" => self.map_err = Some(function(option, input)?),
            "tx" => {
                value::<Expr>(option, input)?;
                self.tx = Some(option.clone());
            }
            "crate" => self.krate = Some(value::<Path>(option, input)?),
            other => return Err(Error::new(option.span(), suggest::unknown(other, &OPTIONS))),
        }
        Ok(())
    }

    fn value(&mut self, option: ValueOption, at: &impl ToTokens, tokens: TokenStream) {
        self.values.push(Value { option, span: at.span(), first: Vec::new(), tokens });
    }

    fn duration(&mut self, kind: ValueOption, option: &Ident, input: ParseStream<'_>) -> syn::Result<()> {
        let value = value::<Expr>(option, input)?;
        let tokens = match bare(&value) {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => {
                let zero_is_allowed = kind == ValueOption::Wait;
                duration::tokens(option, text, zero_is_allowed)?
            }
            value => value.to_token_stream(),
        };
        self.value(kind, &value, tokens);
        Ok(())
    }

    /// A tuple that is a key. Each element is evaluated under a name of its own, which keeps alive what it borrows, and is
    /// asked by itself whether it can be a part.
    fn parts(&mut self, value: &Expr, first: &mut Vec<(Ident, TokenStream)>) -> syn::Result<TokenStream> {
        let tokens = match bare(value) {
            Expr::Tuple(tuple) => {
                let elements = tuple.elems.iter().map(|element| self.parts(element, first));
                let elements = elements.collect::<syn::Result<Vec<_>>>()?;
                return Ok(quote_spanned!(value.span()=> (#(#elements,)*)));
            }
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => self.template(text)?,
            value => {
                let operand = operand(value);
                quote_spanned!(value.span()=> &#operand)
            }
        };
        let part = format_ident!("__idem_key_{}", first.len(), span = value.span());
        first.push((part.clone(), tokens));
        Ok(quote_spanned!(value.span()=> __idem_private::part(#part)))
    }

    fn template(&mut self, text: &LitStr) -> syn::Result<TokenStream> {
        let template = template::parse(text)?;
        let tokens = template.tokens();
        self.placeholders.extend(template.placeholders);
        Ok(tokens)
    }
}

/// An option that is there or not.
fn flag(option: &Ident, input: ParseStream<'_>) -> syn::Result<bool> {
    if input.peek(Token![=]) || input.peek(token::Paren) {
        return Err(Error::new(option.span(), format!("`{option}` takes no value: write it alone")));
    }
    Ok(true)
}

/// `= VALUE`
fn value<T: Parse>(option: &Ident, input: ParseStream<'_>) -> syn::Result<T> {
    if !input.peek(Token![=]) {
        return Err(Error::new(option.span(), format!("`{option}` needs a value: `{option} = …`")));
    }
    input.parse::<Token![=]>()?;
    if input.is_empty() || input.peek(Token![,]) {
        return Err(Error::new(option.span(), format!("`{option}` needs a value: `{option} = …`")));
    }
    input.parse()
}

/// `= PATH` of a function
fn function(option: &Ident, input: ParseStream<'_>) -> syn::Result<ExprPath> {
    let value = value::<Expr>(option, input)?;
    match bare(&value) {
        Expr::Path(path) => Ok(path.clone()),
        _ => Err(Error::new_spanned(
            &value,
            format!("`{option}` takes the path of a function: write one, and name it here"),
        )),
    }
}

/// `order.id` → `&order.id`; `(tenant, order.id)` → `(&tenant, &order.id)`, so that nothing is moved into a tuple.
fn borrowed(value: &Expr) -> TokenStream {
    match bare(value) {
        Expr::Tuple(tuple) => {
            let elements = tuple.elems.iter().map(borrowed);
            quote_spanned!(value.span()=> &(#(#elements,)*))
        }
        value => {
            let operand = operand(value);
            quote_spanned!(value.span()=> &#operand)
        }
    }
}

/// An expression as it stands behind a `&` and before a `{`: with parentheses where these would take a part of it for
/// themselves, as in `id as u64`, `a + b` and `Content { id }`.
fn operand(value: &Expr) -> TokenStream {
    if is_closed(value) {
        value.to_token_stream()
    } else {
        quote!((#value))
    }
}

/// Whether an expression has neither an operator nor a struct literal outside of brackets.
fn is_closed(value: &Expr) -> bool {
    match value {
        Expr::Array(_)
        | Expr::Async(_)
        | Expr::Block(_)
        | Expr::If(_)
        | Expr::Lit(_)
        | Expr::Macro(_)
        | Expr::Match(_)
        | Expr::Paren(_)
        | Expr::Path(_)
        | Expr::Tuple(_)
        | Expr::Unsafe(_) => true,
        Expr::Await(value) => is_closed(&value.base),
        Expr::Call(value) => is_closed(&value.func),
        Expr::Field(value) => is_closed(&value.base),
        Expr::Group(value) => is_closed(&value.expr),
        Expr::Index(value) => is_closed(&value.expr),
        Expr::MethodCall(value) => is_closed(&value.receiver),
        Expr::Reference(value) => is_closed(&value.expr),
        Expr::Try(value) => is_closed(&value.expr),
        Expr::Unary(value) => is_closed(&value.expr),
        _ => false,
    }
}

/// An expression without the parentheses around it, also the invisible ones of a macro's `$key:expr`.
fn bare(value: &Expr) -> &Expr {
    match value {
        Expr::Paren(inner) => bare(&inner.expr),
        Expr::Group(inner) => bare(&inner.expr),
        value => value,
    }
}

fn names(tokens: &TokenStream, ident: &Ident) -> bool {
    tokens.clone().into_iter().any(|token| match token {
        TokenTree::Ident(found) => found == *ident,
        TokenTree::Group(group) => names(&group.stream(), ident),
        _ => false,
    })
}

fn skip_to_comma(input: ParseStream<'_>) -> syn::Result<()> {
    while !input.is_empty() && !input.peek(Token![,]) {
        input.parse::<TokenTree>()?;
    }
    Ok(())
}
