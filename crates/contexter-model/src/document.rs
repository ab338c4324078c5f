//! Documents and how they are fetched.

use contexter_service::Capability;
use serde::{Deserialize, Serialize};

use crate::{Error, LibraryId};

/// How the text of a [`Document`] is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Format {
    /// CommonMark; sources turn HTML, reStructuredText and doc comments into it.
    Markdown,
    /// Text without markup.
    Plain,
}

/// One document of a library: what is chunked, embedded and indexed as a unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// The library it belongs to.
    pub library: LibraryId,
    /// Where it stands within the library, with `/` between the parts; unique in the library.
    pub path: String,
    /// What it is about: its first heading, an item path such as `tokio::sync::Semaphore`.
    pub title: String,
    /// How `text` is to be read.
    pub format: Format,
    /// The whole text.
    pub text: String,
}

/// A document that a source could not give, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// Where it stands within the library.
    pub path: String,
    /// Why it was left out, for people.
    pub reason: String,
}

/// Fetches the documents of a library, page by page.
///
/// # Behavior
///
/// Pages come in a fixed order. A document that cannot be read never fails the page: it is listed
/// in [`DocsPage::skipped`]. An unknown library is
/// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchDocs {
    /// Whose documents.
    pub library: LibraryId,
    /// Where to go on: [`DocsPage::next`] of the page before, or `None` for the first page.
    pub cursor: Option<String>,
    /// How many documents to return at most; sources may return fewer.
    pub limit: usize,
}

impl Capability for FetchDocs {
    const NAME: &'static str = "document_fetching";
    type Response = DocsPage;
    type Error = Error;
}

/// Some documents of a library.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DocsPage {
    /// The documents, in the source's order.
    pub documents: Vec<Document>,
    /// What could not be read on the way.
    pub skipped: Vec<Skipped>,
    /// The cursor of the next page; `None` when this was the last one.
    pub next: Option<String>,
}
