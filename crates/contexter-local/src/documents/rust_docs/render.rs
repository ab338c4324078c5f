//! A module as a Markdown document.

use std::collections::HashSet;

use crate::documents::nesting;

use super::doc_text;
use super::items::{Item, Kind, Module};

/// A declaration longer than this is cut, in lines.
const MAX_SIGNATURE_LINES: usize = 60;

/// Under which paths the items of one source file can be used.
pub(crate) trait Naming {
    /// Returns the path of the file's module; `None` if it cannot be named from outside.
    fn module(&self) -> Option<String>;

    /// Returns the path of the item `name` in the file's inline module `inline`.
    fn item(&mut self, inline: &[String], name: &str) -> String;

    /// Returns the path of a macro, which is exported from the root of its crate.
    fn exported_macro(&self, name: &str) -> String;

    /// Returns what the module file calls itself, for choosing its main item.
    fn stem(&self) -> &str;
}

/// The documentation of a source file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rendered {
    pub(crate) title: String,
    pub(crate) markdown: String,
}

/// Renders a file's module; `None` if nothing public is documented.
pub(crate) fn render(module: &Module, naming: &mut dyn Naming) -> Option<Rendered> {
    if module.is_hidden {
        return None;
    }
    let mut page = Page {
        naming,
        out: String::new(),
        seen: HashSet::new(),
        titles: Vec::new(),
    };
    let path = page.naming.module();
    if let Some(path) = path.as_deref().filter(|_| !module.docs.is_empty()) {
        page.heading(1, path);
        page.text(&doc_text::clean(&module.docs, 1));
    }
    page.items(&module.items, &mut Vec::new());
    if page.out.trim().is_empty() {
        return None;
    }
    let title = path.or_else(|| page.main_title())?;
    let mut markdown = page.out.trim().to_owned();
    markdown.push('\n');
    Some(Rendered { title, markdown })
}

struct Page<'n> {
    naming: &'n mut dyn Naming,
    out: String,
    /// What has been written: the variants of an item for other platforms often say the same.
    seen: HashSet<(String, String)>,
    titles: Vec<String>,
}

impl Page<'_> {
    fn items(&mut self, items: &[Item], inline: &mut Vec<String>) {
        let mut placed: HashSet<&str> = HashSet::new();
        for item in items.iter().filter(|item| !item.is_hidden && !item.is_test) {
            match &item.kind {
                Kind::Type | Kind::Value if item.is_public => {
                    let path = self.naming.item(inline, &item.name);
                    self.item(2, &path, item);
                    if matches!(item.kind, Kind::Type) {
                        self.parts(item);
                        self.members(&path, &item.members);
                        if placed.insert(&item.name) {
                            self.implementations(&path, &item.name, items);
                        }
                    }
                }
                Kind::Macro if item.is_public => {
                    let path = self.naming.exported_macro(&item.name);
                    self.item(2, &path, item);
                }
                Kind::Module(Some(module)) if item.is_public && !module.is_hidden => {
                    inline.push(item.name.clone());
                    if !module.docs.is_empty() {
                        let path = match self.naming.module() {
                            Some(path) => format!("{path}::{}", inline.join("::")),
                            None => self.naming.item(&[], &item.name),
                        };
                        self.heading(2, &path);
                        self.text(&doc_text::clean(&module.docs, 2));
                    }
                    self.items(&module.items, inline);
                    inline.pop();
                }
                _ => {}
            }
        }
        // Types that are declared in another file.
        for item in items
            .iter()
            .filter(|item| matches!(item.kind, Kind::Implementation))
        {
            let is_elsewhere = !items
                .iter()
                .any(|other| matches!(other.kind, Kind::Type) && other.name == item.name);
            if is_elsewhere && !placed.contains(item.name.as_str()) && !item.is_hidden {
                let path = self.naming.item(inline, &item.name);
                self.members(&path, &item.members);
            }
        }
    }

    fn implementations(&mut self, path: &str, name: &str, items: &[Item]) {
        for item in items {
            let is_one = matches!(item.kind, Kind::Implementation);
            if is_one && item.name == name && !item.is_hidden && !item.is_test {
                self.members(path, &item.members);
            }
        }
    }

    /// Functions and constants of a type.
    fn members(&mut self, path: &str, members: &[Item]) {
        for member in members {
            let is_shown = matches!(member.kind, Kind::Value)
                && member.is_public
                && !member.is_hidden
                && !member.is_test;
            if is_shown {
                self.item(3, &format!("{path}::{}", member.name), member);
            }
        }
    }

    fn item(&mut self, level: usize, path: &str, item: &Item) {
        let has_parts = item
            .members
            .iter()
            .any(|part| matches!(part.kind, Kind::Part) && !part.docs.is_empty());
        if item.docs.is_empty() && !has_parts {
            return;
        }
        if !self.seen.insert((path.to_owned(), item.docs.clone())) {
            return;
        }
        self.heading(level, path);
        if level == 2 {
            self.titles.push(path.to_owned());
        }
        self.signature(&item.signature);
        if let Some(note) = &item.deprecated {
            let note = doc_text::clean(note, level);
            self.text(format!("**Deprecated.** {note}").trim_end());
        }
        self.text(&doc_text::clean(&item.docs, level));
    }

    /// Documented fields and variants.
    fn parts(&mut self, item: &Item) {
        let mut list = String::new();
        for part in &item.members {
            let is_shown = matches!(part.kind, Kind::Part)
                && part.is_public
                && !part.is_hidden
                && !part.docs.is_empty();
            if is_shown {
                let docs = doc_text::clean(&part.docs, 6);
                let docs = docs.replace('\n', "\n  ");
                list.extend(["- `", part.name.as_str(), "`: ", docs.as_str(), "\n"]);
            }
        }
        self.text(&without_trailing_spaces(&list));
    }

    fn heading(&mut self, level: usize, path: &str) {
        let marks = "#".repeat(level);
        self.out.extend([marks.as_str(), " ", path, "\n\n"]);
    }

    fn signature(&mut self, signature: &str) {
        let mut lines: Vec<&str> = signature.lines().collect();
        if lines.is_empty() {
            return;
        }
        if lines.len() > MAX_SIGNATURE_LINES {
            lines.truncate(MAX_SIGNATURE_LINES);
            lines.push("    // …");
        }
        let code = lines.join("\n");
        let fence = nesting::fence(&code);
        let parts = [fence.as_str(), "rust\n", &code, "\n", &fence, "\n\n"];
        self.out.extend(parts);
    }

    fn text(&mut self, text: &str) {
        let text = text.trim_end();
        if !text.is_empty() {
            self.out.push_str(text);
            self.out.push_str("\n\n");
        }
    }

    /// Returns the item that the file is named for, or else the first one.
    fn main_title(&self) -> Option<String> {
        let stem = self.naming.stem().replace('_', "").to_lowercase();
        self.titles
            .iter()
            .find(|path| {
                path.rsplit("::")
                    .next()
                    .is_some_and(|name| name.replace('_', "").to_lowercase() == stem)
            })
            .or_else(|| self.titles.first())
            .cloned()
            .or_else(|| {
                let first = self.out.lines().next()?;
                Some(first.trim_start_matches('#').trim().to_owned())
            })
    }
}

fn without_trailing_spaces(text: &str) -> String {
    text.lines()
        .map(str::trim_end)
        .collect::<Vec<_>>()
        .join("\n")
}
