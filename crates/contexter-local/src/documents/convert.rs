//! From the text of a file to a document.

use std::panic::{AssertUnwindSafe, catch_unwind};

use contexter_model::Format;

use super::kind::Kind;
use super::rust_docs::{self, Alone};
use super::{html, markdown, rst};

/// The text of a document, and what it is about.
#[derive(Debug)]
pub(crate) struct Converted {
    pub(crate) title: String,
    pub(crate) format: Format,
    pub(crate) text: String,
}

/// Converts the file at `path` in the folder called `folder`; the error is the reason for people.
///
/// A defect in a converter costs one document and not the run.
pub(crate) fn convert(
    kind: Kind,
    path: &str,
    folder: &str,
    text: String,
) -> Result<Converted, String> {
    guarded(|| match kind {
        Kind::Markdown => Ok(authored(path, &text)),
        Kind::Mdx => Ok(authored(path, &markdown::without_statements(&text))),
        Kind::Html => html::convert(&text).map(|page| Converted {
            title: markdown::first_heading(&page.markdown)
                .or(page.title)
                .unwrap_or_else(|| stem(path).to_owned()),
            format: Format::Markdown,
            text: page.markdown,
        }),
        Kind::ReStructuredText => Ok(titled(path, rst::to_markdown(&text))),
        Kind::Plain => Ok(Converted {
            title: stem(path).to_owned(),
            format: Format::Plain,
            text,
        }),
        Kind::Rust => {
            let mut naming = Alone::new(path, folder);
            rust_docs::document(&text, &mut naming, &|_| None)
                .map(|rendered| Converted {
                    title: rendered.title,
                    format: Format::Markdown,
                    text: rendered.markdown,
                })
                .ok_or_else(|| "no documentation comments".to_owned())
        }
    })
    .and_then(|converted| {
        if converted.text.trim().is_empty() {
            Err("empty document".to_owned())
        } else {
            Ok(converted)
        }
    })
}

/// Markdown from a person's hand.
pub(crate) fn authored(path: &str, text: &str) -> Converted {
    let (title, body) = markdown::front_matter(text);
    let mut converted = titled(path, markdown::without_decoration(body));
    if let Some(title) = title {
        converted.title = title;
    }
    converted
}

/// Runs a converter; a panic becomes a reason.
pub(crate) fn guarded<T>(convert: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(convert))
        .unwrap_or_else(|_panic| Err("cannot be converted: the converter failed".to_owned()))
}

fn titled(path: &str, text: String) -> Converted {
    Converted {
        title: markdown::first_heading(&text).unwrap_or_else(|| stem(path).to_owned()),
        format: Format::Markdown,
        text,
    }
}

/// Returns the file name without its extension.
fn stem(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    let name = name.strip_suffix(".txt").unwrap_or(name);
    name.rsplit_once('.')
        .map_or(name, |(stem, _)| if stem.is_empty() { name } else { stem })
}
