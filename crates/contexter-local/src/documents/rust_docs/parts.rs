//! The fields of structs and the variants of enums.

use proc_macro2::{Delimiter, TokenTree};

use super::attributes::{Attributes, Source};
use super::items::{Item, Kind, until_semicolon, visibility};
use super::signature;
use super::tokens::{Angles, Tokens};

/// Reads a struct or a union.
pub(crate) fn structure(
    tokens: &mut Tokens,
    first: &TokenTree,
    source: Source<'_>,
    new: &mut Item,
) {
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
                    let header = signature::slice(first, &last, source);
                    new.signature = if named {
                        signature::with_parts(&header, &new.members, "pub ", has_private)
                    } else {
                        drop(until_semicolon(tokens));
                        signature::with_tuple(&header, &new.members, has_private)
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
    new.signature = signature::slice(first, &last, source);
}

/// Reads an enum.
pub(crate) fn enumeration(
    tokens: &mut Tokens,
    first: &TokenTree,
    source: Source<'_>,
    new: &mut Item,
) {
    new.kind = Kind::Type;
    let (header, body) = signature::header(tokens, first, source);
    if let Some(mut variants) = body {
        new.members = std::iter::from_fn(|| variants.until_comma(false))
            .filter_map(|variant| part(variant, source, true))
            .collect();
    }
    new.signature = signature::with_parts(&header, &new.members, "", false);
}

/// Reads a field or a variant.
fn part(mut tokens: Tokens, source: Source<'_>, is_variant: bool) -> Option<Item> {
    let attributes = Attributes::outer(&mut tokens, source);
    let is_public = visibility(&mut tokens) || is_variant;
    let name = tokens.word(0)?;
    let (first, last) = tokens.ends()?;
    let signature = signature::dedent(source.between(first, last), 0);
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
