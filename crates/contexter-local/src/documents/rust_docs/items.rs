//! The items of a source file: name, visibility, documentation, signature.

use std::str::FromStr;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::attributes::{Attributes, Source};
use super::tokens::{Angles, Tokens};

/// Modules, traits and macros nested deeper than this are not looked into.
const MAX_DEPTH: usize = 32;

/// A constant whose definition is longer than this is shown without its value, in bytes.
const MAX_VALUE: usize = 160;

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

/// One name of a `use`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Import {
    /// What is imported, for example `["crate", "sync", "Mutex"]`.
    pub(crate) path: Vec<String>,
    /// Its name here; `None` for a glob.
    pub(crate) name: Option<String>,
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
            let (header, _) = header(tokens, &first, source);
            new.signature = header;
            if let Some(name) = attributes.derive_name {
                new.signature = format!("#[derive({name})]");
                new.name = name;
            }
        }
        "const" | "static" | "type" if has_name || tokens.is_word(1, "_") => {
            new.signature = definition(tokens, &first, source);
        }
        "struct" | "union" if has_name => structure(tokens, &first, source, &mut new),
        "enum" if has_name => {
            new.kind = Kind::Type;
            let (header, body) = header(tokens, &first, source);
            let mut variants = body.unwrap_or_else(|| Tokens::new(TokenStream::new()));
            new.members = std::iter::from_fn(|| variants.until_comma(false))
                .filter_map(|variant| part(variant, source, true))
                .collect();
            new.signature = with_parts(&header, &new.members, "", false);
        }
        "trait" if has_name => {
            new.kind = Kind::Type;
            let (header, body) = header(tokens, &first, source);
            new.signature = header;
            if let Some(mut body) = body {
                Attributes::inner(&mut body, source);
                new.members = self::items(&mut body, source, depth + 1);
                for member in &mut new.members {
                    member.is_public = true;
                }
            }
        }
        "impl" => {
            new.kind = Kind::Implementation;
            tokens.skip(1);
            let Some(name) = inherent_type(tokens) else {
                header(tokens, &first, source);
                return true;
            };
            new.name = name;
            let (_, body) = header(tokens, &first, source);
            if let Some(mut body) = body {
                new.members = self::items(&mut body, source, depth + 1);
            }
        }
        "mod" if has_name => {
            let (_, body) = header(tokens, &first, source);
            let inline = body.map(|mut body| {
                let inner = Attributes::inner(&mut body, source);
                new.is_hidden |= inner.is_hidden;
                let outer = std::mem::take(&mut new.docs);
                Module {
                    docs: [outer, inner.docs].join("\n\n").trim().to_owned(),
                    is_hidden: inner.is_hidden,
                    items: self::items(&mut body, source, depth + 1),
                }
            });
            new.kind = Kind::Module(inline);
        }
        "use" => {
            tokens.skip(1);
            let mut imports = Vec::new();
            let tree = until_semicolon(tokens);
            import(Tokens::new(tree), Vec::new(), 0, &mut imports);
            new.kind = Kind::Use(imports);
        }
        "macro_rules" if tokens.is_punct(1, '!') => {
            new.kind = Kind::Macro;
            new.name = tokens.word(2).unwrap_or_default();
            new.is_public = attributes.is_exported_macro;
            new.signature = format!("macro_rules! {}", new.name);
            tokens.skip(4);
        }
        // A foreign block: what it declares is as good as declared outside.
        "extern" => {
            let ahead = 1 + usize::from(matches!(tokens.peek_at(1), Some(TokenTree::Literal(_))));
            let body = tokens
                .group(ahead, Delimiter::Brace)
                .map(|group| group.stream());
            tokens.skip(ahead + 1);
            match body {
                Some(body) => {
                    let mut body = Tokens::new(body);
                    items.append(&mut self::items(&mut body, source, depth + 1));
                }
                None => drop(until_semicolon(tokens)),
            }
            return true;
        }
        // Macros such as `cfg_feature! { pub mod x; }` wrap ordinary items.
        _ if tokens.is_punct(1, '!') => {
            let body = tokens
                .group(2, Delimiter::Brace)
                .map(|group| group.stream());
            tokens.skip(3);
            if let Some(body) = body {
                let mut body = Tokens::new(body);
                Attributes::inner(&mut body, source);
                items.append(&mut self::items(&mut body, source, depth + 1));
            }
            return true;
        }
        _ => return false,
    }
    items.push(new);
    true
}

/// Steps over the visibility, and returns whether it is `pub` without restriction.
fn visibility(tokens: &mut Tokens) -> bool {
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

/// Steps over a declaration and its body; returns the declaration and the body.
fn header(tokens: &mut Tokens, first: &TokenTree, source: Source<'_>) -> (String, Option<Tokens>) {
    let mut angles = Angles::default();
    let mut last = first.clone();
    while let Some(tree) = tokens.next() {
        match &tree {
            TokenTree::Group(group)
                if group.delimiter() == Delimiter::Brace && angles.is_outside() =>
            {
                let body = Tokens::new(group.stream());
                return (slice(first, &last, source), Some(body));
            }
            TokenTree::Punct(punct) if punct.as_char() == ';' => break,
            _ => angles.step(&tree),
        }
        last = tree;
    }
    (slice(first, &last, source), None)
}

/// Steps over `const NAME: T = value;` and returns it, without the value if that is long.
fn definition(tokens: &mut Tokens, first: &TokenTree, source: Source<'_>) -> String {
    let mut angles = Angles::default();
    let mut last = first.clone();
    let mut before_value = None;
    while let Some(tree) = tokens.next() {
        if let TokenTree::Punct(punct) = &tree {
            match punct.as_char() {
                ';' => break,
                '=' if angles.is_outside() && before_value.is_none() => {
                    before_value = Some(last.clone());
                }
                _ => {}
            }
        }
        angles.step(&tree);
        last = tree;
    }
    let whole = slice(first, &last, source);
    match before_value {
        Some(end) if whole.len() > MAX_VALUE => slice(first, &end, source),
        _ => whole,
    }
}

fn structure(tokens: &mut Tokens, first: &TokenTree, source: Source<'_>, new: &mut Item) {
    new.kind = Kind::Type;
    let mut angles = Angles::default();
    let mut last = first.clone();
    let mut has_bounds = false;
    while let Some(tree) = tokens.next() {
        match &tree {
            TokenTree::Group(group) if angles.is_outside() => {
                let named = group.delimiter() == Delimiter::Brace;
                // Parentheses after `where` belong to a bound such as `F: Fn(A)`.
                let tuple = group.delimiter() == Delimiter::Parenthesis && !has_bounds;
                if named || tuple {
                    let mut fields = Tokens::new(group.stream());
                    let mut has_private = false;
                    let mut at = 0_usize;
                    while let Some(field) = fields.until_comma(true) {
                        match part(field, source, false) {
                            Some(mut field) if field.is_public && !field.is_hidden => {
                                if tuple {
                                    field.name = at.to_string();
                                }
                                new.members.push(field);
                            }
                            _ => has_private = true,
                        }
                        at += 1;
                    }
                    let header = slice(first, &last, source);
                    new.signature = if named {
                        with_parts(&header, &new.members, "pub ", has_private)
                    } else {
                        drop(until_semicolon(tokens));
                        tuple_signature(&header, &new.members, has_private)
                    };
                    return;
                }
            }
            TokenTree::Ident(word) if word == "where" => has_bounds = true,
            TokenTree::Punct(punct) if punct.as_char() == ';' => break,
            _ => {}
        }
        angles.step(&tree);
        last = tree;
    }
    new.signature = slice(first, &last, source);
}

/// Reads a field or a variant.
fn part(mut tokens: Tokens, source: Source<'_>, is_variant: bool) -> Option<Item> {
    let attributes = Attributes::outer(&mut tokens, source);
    let is_public = visibility(&mut tokens) || is_variant;
    let name = tokens.word(0)?;
    let (first, last) = tokens.ends()?;
    let signature = dedent(source.between(first, last), 0);
    let signature = if is_variant {
        without_inner_docs(&signature)
    } else {
        signature
    };
    Some(Item {
        kind: Kind::Part,
        name,
        is_public,
        is_hidden: attributes.is_hidden,
        is_test: false,
        docs: attributes.docs,
        deprecated: attributes.deprecated,
        signature,
        members: Vec::new(),
    })
}

/// Drops the comments and attributes within a variant with fields.
fn without_inner_docs(signature: &str) -> String {
    let kept: Vec<&str> = signature
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with("//") && !line.starts_with("#[") && !line.is_empty())
        .collect();
    kept.join(" ")
}

/// Writes a declaration with its fields or variants, each after `visibility`.
fn with_parts(header: &str, parts: &[Item], visibility: &str, has_private: bool) -> String {
    let mut out = format!("{header} {{");
    for part in parts.iter().filter(|part| !part.is_hidden) {
        out.push_str("\n    ");
        out.push_str(visibility);
        out.push_str(&part.signature.replace('\n', "\n    "));
        out.push(',');
    }
    if has_private {
        out.push_str(if parts.is_empty() {
            " /* private fields */ "
        } else {
            "\n    // private fields"
        });
    }
    if out.contains('\n') {
        out.push('\n');
    }
    out.push('}');
    out
}

fn tuple_signature(header: &str, fields: &[Item], has_private: bool) -> String {
    let mut shown: Vec<String> = fields
        .iter()
        .map(|field| format!("pub {}", field.signature))
        .collect();
    if has_private {
        shown.push("/* private fields */".to_owned());
    }
    format!("{header}({});", shown.join(", "))
}

/// Steps over the generics and the type of an inherent `impl`, up to its bounds or its block.
///
/// Returns the name of the type, or `None` if a trait is implemented.
fn inherent_type(tokens: &mut Tokens) -> Option<String> {
    let mut rest = tokens.clone();
    let mut angles = Angles::default();
    if rest.is_punct(0, '<') {
        while let Some(tree) = rest.next() {
            angles.step(&tree);
            if angles.is_outside() {
                break;
            }
        }
    }
    let mut name = None;
    while let Some(tree) = rest.next() {
        match &tree {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => break,
            TokenTree::Ident(word) if angles.is_outside() => {
                let word = word.to_string();
                match word.as_str() {
                    "for" if !rest.is_punct(0, '<') => return None,
                    "where" => break,
                    "dyn" | "mut" | "const" | "unsafe" => {}
                    _ => name = Some(word),
                }
            }
            _ => {}
        }
        angles.step(&tree);
    }
    name
}

fn until_semicolon(tokens: &mut Tokens) -> TokenStream {
    let mut trees = Vec::new();
    while let Some(tree) = tokens.next() {
        if matches!(&tree, TokenTree::Punct(punct) if punct.as_char() == ';') {
            break;
        }
        trees.push(tree);
    }
    trees.into_iter().collect()
}

/// Flattens the tree of a `use`.
fn import(mut tokens: Tokens, mut path: Vec<String>, depth: usize, out: &mut Vec<Import>) {
    if depth > MAX_DEPTH {
        return;
    }
    while let Some(tree) = tokens.next() {
        match tree {
            TokenTree::Ident(word) if word == "as" => {
                let name = tokens.word(0);
                out.push(Import { path, name });
                return;
            }
            TokenTree::Ident(word) => {
                let word = word.to_string();
                path.push(word.strip_prefix("r#").map_or(word.clone(), str::to_owned));
            }
            TokenTree::Punct(punct) if punct.as_char() == '*' => {
                out.push(Import { path, name: None });
                return;
            }
            TokenTree::Group(group) => {
                let mut inner = Tokens::new(group.stream());
                while let Some(part) = inner.until_comma(false) {
                    import(part, path.clone(), depth + 1, out);
                }
                return;
            }
            _ => {}
        }
    }
    // `a::{self}` means `a`.
    if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
        path.pop();
    }
    let name = path.last().cloned();
    if name.is_some() {
        out.push(Import { path, name });
    }
}

/// Returns the text from `first` to `last`, moved to the left margin.
fn slice(first: &TokenTree, last: &TokenTree, source: Source<'_>) -> String {
    let start = Source::range(first).start;
    let line_start = source
        .text
        .get(..start)
        .and_then(|before| before.rfind('\n'))
        .map_or(0, |at| at + 1);
    dedent(source.between(first, last), start - line_start)
}

/// Removes up to `margin` spaces from every line but the first; with 0, as many as they share.
fn dedent(text: &str, margin: usize) -> String {
    let common = if margin > 0 {
        margin
    } else {
        text.lines()
            .skip(1)
            .filter(|line| !line.trim().is_empty())
            .map(|line| line.len() - line.trim_start().len())
            .min()
            .unwrap_or_default()
    };
    let lines: Vec<&str> = text
        .lines()
        .enumerate()
        .map(|(at, line)| {
            let spaces = line.len() - line.trim_start_matches(' ').len();
            let strip = if at == 0 { 0 } else { spaces.min(common) };
            line.get(strip..).unwrap_or_default().trim_end()
        })
        .collect();
    lines.join("\n").trim().to_owned()
}
