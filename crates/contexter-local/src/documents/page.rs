//! Assembling one page of documents, bounded by count, bytes, entries looked at and time.

use std::time::Duration;

use contexter_model::{DocsPage, Document, Skipped};
use contexter_service::{Clock, DefaultClock};

/// The text of one page; a page ends with the document that passes it.
const MAX_PAGE_BYTES: usize = 8 << 20;

/// The entries looked at for one page, so that a folder without a single document cannot keep a
/// caller waiting for all of it.
const MAX_PAGE_ENTRIES: usize = 4096;

/// A page ends with the entry that passes this time, so that no caller's deadline is in danger.
const MAX_PAGE_TIME: Duration = Duration::from_secs(2);

/// What became of one entry of a listing.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It is a document.
    Document(Document),
    /// It cannot be read, and why.
    Skipped(String),
    /// It holds nothing that anybody would miss.
    Nothing,
}

/// Reads the entries after `cursor`, which must be sorted by the path that `path_of` returns.
///
/// The cursor is the path of the last entry read, so it stays good when the listing is made anew.
pub(crate) fn assemble<E>(
    entries: &[E],
    cursor: Option<&str>,
    limit: usize,
    path_of: impl Fn(&E) -> &str,
    mut read: impl FnMut(&E) -> Outcome,
) -> DocsPage {
    let deadline = DefaultClock.now() + MAX_PAGE_TIME;
    let start = cursor.map_or(0, |last| {
        entries.partition_point(|entry| path_of(entry) <= last)
    });
    let rest = entries.get(start..).unwrap_or_default();
    let mut page = DocsPage::default();
    let mut bytes = 0_usize;
    for (seen, entry) in rest.iter().enumerate() {
        let path = path_of(entry);
        match read(entry) {
            Outcome::Document(document) => {
                bytes = bytes.saturating_add(document.text.len());
                page.documents.push(document);
            }
            Outcome::Skipped(reason) => page.skipped.push(Skipped {
                path: path.to_owned(),
                reason,
            }),
            Outcome::Nothing => {}
        }
        let full = page.documents.len() >= limit.max(1)
            || bytes >= MAX_PAGE_BYTES
            || seen + 1 >= MAX_PAGE_ENTRIES
            || DefaultClock.now() >= deadline;
        if full && seen + 1 < rest.len() {
            page.next = Some(path.to_owned());
            break;
        }
    }
    page
}
