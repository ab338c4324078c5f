//! The items of a source file: name, visibility, documentation, signature.

use std::str::FromStr;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::attributes::{Attributes, Source};
use super::imports::{self, Import};
use super::tokens::{Angles, Tokens};
use super::{parts, signature};

/// Modules, traits and macros nested deeper than this are not looked into.
pub(crate) const MAX_DEPTH: usize = 32;

/// The text is not made of Rust tokens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NotRust;

/// A module: a file, or the block of an inline module.
#[derive(Clone, Debug, Default)]
pub(crate) struct Module {
    pub(crate) docs: String,
    pub(crate) is_hidden: bool,
    pub(crate) items: Vec<Item>,
}

/// One item.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) kind: Kind,
    pub(crate) name: String,
    pub(crate) is_public: bool,
    pub(crate) is_hidden: bool,
    pub(crate) is_test: bool,
    pub(crate) docs: String,
    pub(crate) deprecated: Option<String>,
    /// The declaration without attributes and body.
    pub(crate) signature: String,
    /// Fields, variants, and what traits and implementations hold.
    pub(crate) members: Vec<Item>,
}

/// What an item is.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// A struct, enum, union or trait.
    Type,
    /// A field or a variant.
    Part,
    /// A function, constant, static or type alias.
    Value,
    Macro,
    /// A module, with its content if it is inline.
    Module(Option<Module>),
    /// An inherent implementation; the item's name is that of the type.
    Implementation,
    /// Names that are made visible in this place.
    Use(Vec<Import>),
}

/// Reads a source file.
pub(crate) fn read(
    text: &str,
    include: &dyn Fn(&str) -> Option<String>,
) -> Result<Module, NotRust> {
    // The error says no more than that there is one.
    let result = TokenStream::from_str(text).map_err(|_error| NotRust);
    let module = result.map(|stream| module(stream, Source { text, include }, 0));
    // The library keeps the text of everything read on this thread, until it is told not to.
    proc_macro2::extra::invalidate_current_thread_spans();
    module
}

fn module(stream: TokenStream, source: Source<'_>, depth: usize) -> Module {
    let mut tokens = Tokens::new(stream);
    let inner = Attributes::inner(&mut tokens, source);
    Module {
        docs: inner.docs,
        is_hidden: inner.is_hidden,
        items: items(&mut tokens, source, depth),
    }
}

fn items(tokens: &mut Tokens, source: Source<'_>, depth: usize) -> Vec<Item> {
    let mut items = Vec::new();
    if depth > MAX_DEPTH {
        return items;
    }
    while tokens.peek().is_some() {
        let attributes = Attributes::outer(tokens, source);
        if !item(tokens, attributes, source, depth, &mut items) {
            // Not the start of an item: go on with the next token.
            tokens.skip(1);
        }
    }
    items
}

/// Reads the item at the cursor; returns whether the cursor has moved.
fn item(
    tokens: &mut Tokens,
    attributes: Attributes,
    source: Source<'_>,
    depth: usize,
    items: &mut Vec<Item>,
) -> bool {
    let Some(first) = tokens.peek().cloned() else {
        return false;
    };
    let is_public = visibility(tokens);
    qualifiers(tokens);
    let Some(keyword) = tokens.word(0) else {
        return false;
    };
    if let Some(body) = wrapped(tokens, &keyword) {
        let mut body = Tokens::new(body);
        Attributes::inner(&mut body, source);
        items.append(&mut self::items(&mut body, source, depth + 1));
        return true;
    }
    let derive_name = attributes.derive_name.clone();
    let mut new = Item {
        kind: Kind::Value,
        name: tokens.word(1).unwrap_or_default(),
        is_public,
        is_hidden: attributes.is_hidden,
        is_test: attributes.is_test,
        docs: attributes.docs,
        deprecated: attributes.deprecated,
        signature: String::new(),
        members: Vec::new(),
    };
    let has_name = !new.name.is_empty();
    match keyword.as_str() {
        "fn" if has_name => {
            (new.signature, _) = signature::header(tokens, &first, source);
            if let Some(name) = derive_name {
                new.signature = format!("#[derive({name})]");
                new.name = name;
            }
        }
        "const" | "static" | "type" if has_name => {
            if let Some(name) = tokens.word(2).filter(|_| new.name == "mut") {
                new.name = name;
            }
            new.signature = signature::definition(tokens, &first, source);
        }
        "struct" | "union" if has_name => parts::structure(tokens, &first, source, &mut new),
        "enum" if has_name => parts::enumeration(tokens, &first, source, &mut new),
        "trait" if has_name => {
            new.kind = Kind::Type;
            let body;
            (new.signature, body) = signature::header(tokens, &first, source);
            new.members = members(body, source, depth);
            for member in &mut new.members {
                member.is_public = true;
            }
        }
        "impl" => {
            new.kind = Kind::Implementation;
            tokens.skip(1);
            let name = inherent_type(tokens);
            let (_, body) = signature::header(tokens, &first, source);
            let Some(name) = name else {
                return true;
            };
            new.name = name;
            new.members = members(body, source, depth);
        }
        "mod" if has_name => {
            let (_, body) = signature::header(tokens, &first, source);
            let outer = std::mem::take(&mut new.docs);
            let inline = body.map(|body| inline_module(body, &outer, source, depth));
            new.is_hidden |= inline.as_ref().is_some_and(|module| module.is_hidden);
            new.kind = Kind::Module(inline);
        }
        "use" => {
            tokens.skip(1);
            new.kind = Kind::Use(imports::read(until_semicolon(tokens)));
        }
        "macro_rules" if tokens.is_punct(1, '!') => {
            new.kind = Kind::Macro;
            new.name = tokens.word(2).unwrap_or_default();
            new.is_public = attributes.is_exported_macro;
            new.signature = format!("macro_rules! {}", new.name);
            tokens.skip(4);
        }
        _ => return false,
    }
    items.push(new);
    true
}

/// Steps over a block that only wraps items, and returns what is in it.
///
/// These are foreign blocks, and macros such as `cfg_feature! { pub mod x; }`.
fn wrapped(tokens: &mut Tokens, keyword: &str) -> Option<TokenStream> {
    let at = if keyword == "extern" {
        1 + usize::from(matches!(tokens.peek_at(1), Some(TokenTree::Literal(_))))
    } else if tokens.is_punct(1, '!') {
        2
    } else {
        return None;
    };
    let body = tokens.group(at, Delimiter::Brace)?.stream();
    tokens.skip(at + 1);
    Some(body)
}

fn members(body: Option<Tokens>, source: Source<'_>, depth: usize) -> Vec<Item> {
    body.map_or_else(Vec::new, |mut body| {
        Attributes::inner(&mut body, source);
        items(&mut body, source, depth + 1)
    })
}

fn inline_module(mut body: Tokens, outer: &str, source: Source<'_>, depth: usize) -> Module {
    let inner = Attributes::inner(&mut body, source);
    Module {
        docs: format!("{outer}\n\n{}", inner.docs).trim().to_owned(),
        is_hidden: inner.is_hidden,
        items: items(&mut body, source, depth + 1),
    }
}

/// Steps over the visibility, and returns whether it is `pub` without restriction.
pub(crate) fn visibility(tokens: &mut Tokens) -> bool {
    if !tokens.is_word(0, "pub") {
        return false;
    }
    tokens.skip(1);
    let restricted = tokens
        .group(0, Delimiter::Parenthesis)
        .is_some_and(|group| {
            let inner = Tokens::new(group.stream());
            ["crate", "self", "super", "in"]
                .iter()
                .any(|word| inner.is_word(0, word))
        });
    tokens.skip(usize::from(restricted));
    !restricted
}

/// Steps over what may stand before the keyword of an item.
fn qualifiers(tokens: &mut Tokens) {
    loop {
        let next_is_function = ["fn", "unsafe", "async", "extern"]
            .iter()
            .any(|word| tokens.is_word(1, word));
        let is_qualifier = match tokens.word(0).as_deref() {
            Some("async" | "unsafe") => true,
            Some("default" | "safe" | "auto") => tokens.word(1).is_some(),
            Some("const") => next_is_function,
            Some("extern") => {
                let literal = matches!(tokens.peek_at(1), Some(TokenTree::Literal(_)));
                tokens.is_word(1 + usize::from(literal), "fn")
            }
            _ => false,
        };
        if !is_qualifier {
            return;
        }
        if tokens.is_word(0, "extern") && !tokens.is_word(1, "fn") {
            tokens.skip(1);
        }
        tokens.skip(1);
    }
}

/// Returns the name of the type that the `impl` at the cursor is for; `None` if it implements a
/// trait.
fn inherent_type(tokens: &Tokens) -> Option<String> {
    let mut angles = Angles::default();
    let mut name = None;
    for ahead in 0.. {
        let tree = tokens.peek_at(ahead)?;
        match tree {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => break,
            TokenTree::Ident(word) if angles.is_outside() => {
                let word = word.to_string();
                match word.as_str() {
                    // `for<'a>` belongs to a bound.
                    "for" if !tokens.is_punct(ahead + 1, '<') => return None,
                    "where" => break,
                    "dyn" | "mut" | "const" | "unsafe" => {}
                    _ => name = Some(word),
                }
            }
            _ => {}
        }
        angles.step(tree);
    }
    name
}

pub(crate) fn until_semicolon(tokens: &mut Tokens) -> TokenStream {
    let mut trees = Vec::new();
    while let Some(tree) = tokens.next() {
        if matches!(&tree, TokenTree::Punct(punct) if punct.as_char() == ';') {
            break;
        }
        trees.push(tree);
    }
    trees.into_iter().collect()
}
