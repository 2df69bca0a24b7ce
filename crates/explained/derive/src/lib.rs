//! The derive macro of `explained`, which see.

use std::collections::BTreeSet;

use proc_macro::TokenStream;
use proc_macro2::{Ident, Span, TokenStream as Tokens};
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::{Attribute, Data, DeriveInput, Error, Expr, ExprLit, Lit, LitStr, Meta, Result, parse_macro_input};

/// Collects the words, the cause and the advice of each variant.
#[proc_macro_derive(Explained, attributes(advice, hints, status))]
pub fn explained(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    implementation(&input).unwrap_or_else(Error::into_compile_error).into()
}

fn implementation(input: &DeriveInput) -> Result<Tokens> {
    let name = &input.ident;
    let mut table = Table {
        usual: text(&input.attrs, "status")?.unwrap_or_else(|| "1".to_owned()),
        hints: input.attrs.iter().any(|attr| attr.path().is_ident("hints")),
        ..Table::default()
    };
    let kind = kebab(name.to_string().trim_end_matches("Error"));
    match &input.data {
        Data::Enum(data) => data.variants.iter().try_for_each(|variant| {
            let ident = &variant.ident;
            let code = format!("{kind}-{}", kebab(&ident.to_string()));
            table.explain(&code, &variant.attrs, &quote!(Self::#ident), ident.span())
        })?,
        Data::Struct(_) => table.explain(&kind, &input.attrs, &quote!(Self), name.span())?,
        Data::Union(_) => return Err(Error::new(name.span(), "a union is no error")),
    }
    table.find_words_of_others()?;
    let Table { rows, found, told, .. } = table;
    let (generics, arguments, bounds) = input.generics.split_for_impl();
    Ok(quote! {
        impl #generics ::explained::Explained for #name #arguments #bounds {
            const EXPLANATIONS: &'static [::explained::Explanation] = &[#(#rows),*];

            fn explanation(&self) -> ::core::option::Option<&'static ::explained::Explanation> {
                #[allow(unreachable_patterns)]
                match self {
                    #(#found)*
                    _ => ::core::option::Option::None,
                }
            }

            fn advice(&self) -> ::core::option::Option<::std::string::String> {
                #[allow(unreachable_patterns)]
                match self {
                    #(#told)*
                    _ => ::core::option::Option::None,
                }
            }
        }
    })
}

/// What is known of the variants so far.
#[derive(Default)]
struct Table {
    /// How the program ends where a variant says nothing else.
    usual: String,
    /// Whether the words are themselves what to do.
    hints: bool,
    /// The explanations.
    rows: Vec<Tokens>,
    /// The words of each row.
    words: Vec<String>,
    /// Variants in the words of another.
    unexplained: Vec<(String, Tokens, Span)>,
    /// Arms from a variant to its row.
    found: Vec<Tokens>,
    /// Arms from a variant to the advice that is told with it.
    told: Vec<Tokens>,
}

impl Table {
    fn explain(&mut self, code: &str, attrs: &[Attribute], pattern: &Tokens, span: Span) -> Result<()> {
        let Some(words) = words(attrs, span)? else { return Ok(()) };
        let advice = match attrs.iter().find(|attr| attr.path().is_ident("advice")) {
            Some(attr) if matches!(attr.meta, Meta::List(_)) => {
                let literal: LitStr = attr.parse_args()?;
                let (advice, names) = named(&literal)?;
                let names = names.iter().map(|name| Ident::new(name, literal.span()));
                self.told.push(quote! {
                    #pattern { #(#names,)* .. } => ::core::option::Option::Some(::std::format!(#literal)),
                });
                advice
            }
            Some(attr) => value(attr)?,
            None if self.hints => String::new(),
            None => {
                self.unexplained.push((words, pattern.clone(), span));
                return Ok(());
            }
        };
        let cause = cause(attrs)?.ok_or_else(|| Error::new(span, "its cause is missing: a doc comment"))?;
        let status = text(attrs, "status")?.unwrap_or_else(|| self.usual.clone());
        self.find(pattern, self.rows.len());
        self.rows.push(quote! {
            ::explained::Explanation {
                code: #code, words: #words, cause: #cause, advice: #advice, status: #status,
            }
        });
        self.words.push(words);
        Ok(())
    }

    fn find_words_of_others(&mut self) -> Result<()> {
        for (words, pattern, span) in std::mem::take(&mut self.unexplained) {
            let row = self.words.iter().position(|known| *known == words);
            let row = row.ok_or_else(|| Error::new(span, "#[advice = \"…\"] is missing"))?;
            self.find(&pattern, row);
        }
        Ok(())
    }

    fn find(&mut self, pattern: &Tokens, row: usize) {
        self.found.push(quote! {
            #pattern { .. } => ::core::option::Option::Some(&Self::EXPLANATIONS[#row]),
        });
    }
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
    named(&literal).map(|(words, _)| Some(words))
}

/// The text of a format string, and the names of what stands in its braces.
fn named(literal: &LitStr) -> Result<(String, BTreeSet<String>)> {
    let (mut words, mut names, text) = (String::new(), BTreeSet::new(), literal.value());
    let mut rest = text.as_str();
    while let Some((before, behind)) = rest.split_once('{') {
        let (inside, behind) = behind.split_once('}').unwrap_or_default();
        let name = inside.split(':').next().unwrap_or_default();
        if !name.starts_with(|first: char| first.is_alphabetic()) {
            return Err(Error::new(literal.span(), "name what stands in braces: {name}, name = …"));
        }
        words.push_str(&format!("{before}{{{name}}}"));
        names.insert(name.to_owned());
        rest = behind;
    }
    Ok((words + rest, names))
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
