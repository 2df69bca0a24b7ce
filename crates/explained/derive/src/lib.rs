//! The derive macro of `explained`, which see.

use proc_macro::TokenStream;
use proc_macro2::{Span, TokenStream as Tokens};
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::{Attribute, Data, DeriveInput, Error, Expr, ExprLit, Lit, LitStr, Meta, Result, parse_macro_input};

/// Collects the words, the cause and the advice of each variant.
#[proc_macro_derive(Explained, attributes(advice, status))]
pub fn explained(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    implementation(&input).unwrap_or_else(Error::into_compile_error).into()
}

fn implementation(input: &DeriveInput) -> Result<Tokens> {
    let name = &input.ident;
    let usual = text(&input.attrs, "status")?.unwrap_or_else(|| "1".to_owned());
    let kind = kebab(name.to_string().trim_end_matches("Error"));
    let (mut explained, mut unexplained) = (Vec::new(), Vec::new());
    let mut explanations = Vec::new();
    let mut explain = |code: &str, attrs: &[Attribute], span: Span| -> Result<()> {
        let Some(words) = words(attrs, span)? else { return Ok(()) };
        let Some(advice) = text(attrs, "advice")? else {
            unexplained.push((words, span));
            return Ok(());
        };
        let cause = cause(attrs)?.ok_or_else(|| Error::new(span, "its cause is missing: a doc comment"))?;
        let status = text(attrs, "status")?.unwrap_or_else(|| usual.clone());
        explanations.push(quote! {
            ::explained::Explanation {
                code: #code, words: #words, cause: #cause, advice: #advice, status: #status,
            }
        });
        explained.push(words);
        Ok(())
    };
    match &input.data {
        Data::Enum(data) => data.variants.iter().try_for_each(|variant| {
            explain(
                &format!("{kind}-{}", kebab(&variant.ident.to_string())),
                &variant.attrs,
                variant.ident.span(),
            )
        })?,
        Data::Struct(_) => explain(&kind, &input.attrs, name.span())?,
        Data::Union(_) => return Err(Error::new(name.span(), "a union is no error")),
    }
    if let Some((_, span)) = unexplained.iter().find(|(words, _)| !explained.contains(words)) {
        return Err(Error::new(*span, "#[advice = \"…\"] is missing"));
    }
    let (generics, arguments, bounds) = input.generics.split_for_impl();
    Ok(quote! {
        impl #generics ::explained::Explained for #name #arguments #bounds {
            const EXPLANATIONS: &'static [::explained::Explanation] = &[#(#explanations),*];
        }
    })
}

/// What is in `#[error(…)]`: the words, or `transparent`.
struct Words(Option<LitStr>);

impl Parse for Words {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let words = if input.peek(LitStr) { Some(input.parse()?) } else { None };
        // The words' arguments are thiserror's.
        input.parse::<Tokens>()?;
        Ok(Self(words))
    }
}

/// The message with a name for everything that stands in it; `None` where it is another error's.
fn words(attrs: &[Attribute], span: Span) -> Result<Option<String>> {
    let attr = attrs.iter().find(|attr| attr.path().is_ident("error"));
    let attr = attr.ok_or_else(|| Error::new(span, "#[error(…)] is missing"))?;
    let Some(literal) = attr.parse_args::<Words>()?.0 else { return Ok(None) };
    let (mut words, text) = (String::new(), literal.value());
    let mut rest = text.as_str();
    while let Some((before, behind)) = rest.split_once('{') {
        let (inside, behind) = behind.split_once('}').unwrap_or_default();
        let name = inside.split(':').next().unwrap_or_default();
        if !name.starts_with(|first: char| first.is_alphabetic()) {
            return Err(Error::new(literal.span(), "name what stands in braces: {name}, name = …"));
        }
        words.push_str(&format!("{before}{{{name}}}"));
        rest = behind;
    }
    Ok(Some(words + rest))
}

/// The first paragraph of the documentation, without its full stop.
fn cause(attrs: &[Attribute]) -> Result<Option<String>> {
    let mut lines = Vec::new();
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("doc")) {
        let line = value(attr)?.trim().to_owned();
        if line.is_empty() {
            break;
        }
        lines.push(line);
    }
    Ok((!lines.is_empty()).then(|| lines.join(" ").trim_end_matches('.').to_owned()))
}

/// The value of `#[name = "…"]`.
fn text(attrs: &[Attribute], name: &str) -> Result<Option<String>> {
    attrs.iter().find(|attr| attr.path().is_ident(name)).map(value).transpose()
}

fn value(attr: &Attribute) -> Result<String> {
    match &attr.meta {
        Meta::NameValue(pair) => match &pair.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Ok(text.value()),
            other => Err(Error::new(other.span(), "a literal is wanted")),
        },
        other => Err(Error::new(other.span(), "\"= …\" is missing")),
    }
}

/// `NotFound` as `not-found`.
fn kebab(name: &str) -> String {
    let mut text = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !text.is_empty() {
            text.push('-');
        }
        text.extend(letter.to_lowercase());
    }
    text
}
