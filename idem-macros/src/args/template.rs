//! Keys written as text with placeholders: `"order:{order.id}"`.

use proc_macro2::TokenStream;
use quote::quote_spanned;
use syn::{Error, Expr, LitStr};

/// A tuple in disguise: the text is one part, each placeholder another.
pub(super) struct Template {
    /// The text, with `{}` where the placeholders are: renaming an argument does not change the key.
    text: LitStr,
    pub(super) placeholders: Vec<Expr>,
}

pub(super) fn parse(literal: &LitStr) -> syn::Result<Template> {
    let error = |message: &str| Error::new(literal.span(), message);
    let value = literal.value();
    let mut text = String::new();
    let mut placeholders = Vec::new();
    let mut rest = value.as_str();
    while let Some(at) = rest.find(['{', '}']) {
        let (before, from) = rest.split_at(at);
        text.push_str(before);
        if let Some(after) = from.strip_prefix("{{").or_else(|| from.strip_prefix("}}")) {
            text.push_str(from.get(..2).unwrap_or_default());
            rest = after;
        } else if let Some((path, after)) = from.strip_prefix('{').and_then(|from| from.split_once('}')) {
            placeholders.push(placeholder(path, literal)?);
            text.push_str("{}");
            rest = after;
        } else {
            return Err(error("a brace has no partner: write `{{` or `}}` for the character itself"));
        }
    }
    text.push_str(rest);
    Ok(Template { text: LitStr::new(&text, literal.span()), placeholders })
}

/// A path such as `order.id` or `self.tenant`, with the literal's place in the source.
fn placeholder(path: &str, literal: &LitStr) -> syn::Result<Expr> {
    let wrong = || {
        let message =
            format!("`{{{path}}}` is no path: a placeholder is an argument or a field of one, as in `{{order.id}}`");
        Error::new(literal.span(), message)
    };
    let expr = LitStr::new(path, literal.span()).parse::<Expr>().map_err(|_| wrong())?;
    if is_path(&expr) {
        Ok(expr)
    } else {
        Err(wrong())
    }
}

fn is_path(expr: &Expr) -> bool {
    match expr {
        Expr::Path(path) => path.path.get_ident().is_some(),
        Expr::Field(field) => is_path(&field.base),
        _ => false,
    }
}

impl Template {
    pub(super) fn tokens(&self) -> TokenStream {
        let Self { text, placeholders } = self;
        let span = text.span();
        if placeholders.is_empty() {
            return quote_spanned!(span=> #text);
        }
        quote_spanned!(span=> &(#text, #(__idem_private::placeholder(&#placeholders),)*))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::ToTokens;

    fn template(text: &str) -> Result<(String, Vec<String>), String> {
        let literal = LitStr::new(text, proc_macro2::Span::call_site());
        match parse(&literal) {
            Ok(template) => {
                let paths = template.placeholders.iter().map(|path| path.to_token_stream().to_string()).collect();
                Ok((template.text.value(), paths))
            }
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn the_text_is_one_part_and_each_placeholder_another() {
        assert_eq!(template("order"), Ok(("order".into(), vec![])));
        assert_eq!(template("{id}"), Ok(("{}".into(), vec!["id".into()])));
        let parts = vec!["tenant".into(), "order . id".into(), "pair . 0".into()];
        assert_eq!(template("{tenant}:{order.id}/{pair.0}"), Ok(("{}:{}/{}".into(), parts)));
        assert_eq!(template("{{{id}}}"), Ok(("{{{}}}".into(), vec!["id".into()])));
    }

    #[test]
    fn mistakes_are_named() {
        for (text, says) in [
            ("{", "no partner"),
            ("a}", "no partner"),
            ("{}", "is no path"),
            ("{f()}", "is no path"),
            ("{id:?}", "is no path"),
            ("{a::B}", "is no path"),
            ("{1}", "is no path"),
        ] {
            let error = template(text).expect_err(text);
            assert!(error.contains(says), "{text:?} says {error:?}");
        }
    }
}
