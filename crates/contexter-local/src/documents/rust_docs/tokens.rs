//! A cursor over the trees of tokens.

use proc_macro2::{Delimiter, Group, Spacing, TokenStream, TokenTree};

/// A position in a list of token trees.
#[derive(Debug)]
pub(crate) struct Tokens {
    trees: Vec<TokenTree>,
    at: usize,
}

impl Tokens {
    pub(crate) fn new(stream: TokenStream) -> Self {
        Self {
            trees: stream.into_iter().collect(),
            at: 0,
        }
    }

    pub(crate) fn peek(&self) -> Option<&TokenTree> {
        self.trees.get(self.at)
    }

    /// Returns the tree `ahead` places after the next one.
    pub(crate) fn peek_at(&self, ahead: usize) -> Option<&TokenTree> {
        self.trees.get(self.at + ahead)
    }

    pub(crate) fn next(&mut self) -> Option<TokenTree> {
        let tree = self.trees.get(self.at).cloned();
        self.at += usize::from(tree.is_some());
        tree
    }

    pub(crate) fn skip(&mut self, count: usize) {
        self.at = self.at.saturating_add(count).min(self.trees.len());
    }

    pub(crate) fn is_word(&self, ahead: usize, word: &str) -> bool {
        matches!(self.peek_at(ahead), Some(TokenTree::Ident(ident)) if ident == word)
    }

    pub(crate) fn is_punct(&self, ahead: usize, mark: char) -> bool {
        matches!(self.peek_at(ahead), Some(TokenTree::Punct(punct)) if punct.as_char() == mark)
    }

    /// Returns the name at `ahead`, without the `r#` of a raw identifier.
    pub(crate) fn word(&self, ahead: usize) -> Option<String> {
        match self.peek_at(ahead)? {
            TokenTree::Ident(ident) => {
                let name = ident.to_string();
                Some(name.strip_prefix("r#").map_or(name.clone(), str::to_owned))
            }
            _ => None,
        }
    }

    pub(crate) fn group(&self, ahead: usize, delimiter: Delimiter) -> Option<&Group> {
        match self.peek_at(ahead)? {
            TokenTree::Group(group) if group.delimiter() == delimiter => Some(group),
            _ => None,
        }
    }

    /// Returns the trees up to the first comma outside angle brackets, and steps over the comma.
    pub(crate) fn until_comma(&mut self, angles_count: bool) -> Option<Tokens> {
        self.peek()?;
        let mut depth = Angles::default();
        let mut trees = Vec::new();
        while let Some(tree) = self.next() {
            let is_comma = matches!(&tree, TokenTree::Punct(punct) if punct.as_char() == ',');
            if is_comma && (!angles_count || depth.is_outside()) {
                break;
            }
            depth.step(&tree);
            trees.push(tree);
        }
        Some(Tokens { trees, at: 0 })
    }

    /// Returns the first and the last tree that are left.
    pub(crate) fn ends(&self) -> Option<(&TokenTree, &TokenTree)> {
        let rest = self.trees.get(self.at..)?;
        Some((rest.first()?, rest.last()?))
    }
}

/// Follows `<` and `>` as brackets, except in `->` and `=>`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Angles {
    depth: usize,
    is_arrow: bool,
}

impl Angles {
    pub(crate) fn step(&mut self, tree: &TokenTree) {
        let mut begins_arrow = false;
        if let TokenTree::Punct(punct) = tree {
            match punct.as_char() {
                '<' => self.depth += 1,
                '>' if !self.is_arrow => self.depth = self.depth.saturating_sub(1),
                '-' | '=' => begins_arrow = punct.spacing() == Spacing::Joint,
                _ => {}
            }
        }
        self.is_arrow = begins_arrow;
    }

    pub(crate) fn is_outside(self) -> bool {
        self.depth == 0
    }
}
