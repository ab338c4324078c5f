//! The names that a `use` makes visible.

use proc_macro2::{TokenStream, TokenTree};

use super::items::MAX_DEPTH;
use super::tokens::Tokens;

/// One name of a `use`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Import {
    /// What is imported, for example `["crate", "sync", "Mutex"]`.
    pub(crate) path: Vec<String>,
    /// Its name here; `None` for a glob.
    pub(crate) name: Option<String>,
}

/// Reads what stands between `use` and the semicolon.
pub(crate) fn read(tree: TokenStream) -> Vec<Import> {
    let mut imports = Vec::new();
    import(Tokens::new(tree), Vec::new(), 0, &mut imports);
    imports
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
