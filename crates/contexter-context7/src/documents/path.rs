//! Where a piece of documentation stands within its library.

use crate::query::at_most;
use crate::{CodeSnippet, InfoSnippet};

/// Longer paths are cut, in bytes: file systems and indexes have such a limit.
const MAX_PATH_BYTES: usize = 512;

/// Where the pieces stand that say of themselves only what they are.
const UNPLACED_CODE: &str = "snippets.md";
const UNPLACED_INFO: &str = "notes.md";

/// Returns the path of the page that a piece of code is from, the same for all of its pieces.
pub(super) fn of_code(snippet: &CodeSnippet) -> String {
    let places = [
        snippet.id.as_deref().filter(|id| is_address(id)),
        snippet.source_file.as_deref(),
        snippet.id.as_deref(),
        snippet.page_title.as_deref(),
    ];
    first_of(places, UNPLACED_CODE)
}

/// Returns the path of the page that a piece of prose is from.
pub(super) fn of_info(snippet: &InfoSnippet) -> String {
    let crumb = snippet.breadcrumb.as_deref();
    let places = [
        snippet.page_id.as_deref(),
        crumb.map(|crumb| crumb.split('>').next().unwrap_or(crumb)),
    ];
    first_of(places, UNPLACED_INFO)
}

/// Returns the number in the fragment of an address, as in `README.md#_snippet_3`, by which the
/// pieces of a page are ordered.
pub(super) fn number(id: Option<&str>) -> u64 {
    id.and_then(|id| id.rsplit_once('#'))
        .and_then(|(_, fragment)| {
            let digits = fragment.rsplit(|c: char| !c.is_ascii_digit()).next()?;
            digits.parse().ok()
        })
        .unwrap_or(u64::MAX)
}

fn first_of<'a>(places: impl IntoIterator<Item = Option<&'a str>>, otherwise: &str) -> String {
    places
        .into_iter()
        .flatten()
        .map(path)
        .find(|path| !path.is_empty())
        .unwrap_or_else(|| otherwise.to_owned())
}

fn is_address(text: &str) -> bool {
    text.starts_with("https://") || text.starts_with("http://")
}

/// Makes a path of an address or of a file name: without scheme, query and fragment; for files of a
/// repository without the branch, so that documents keep their names from version to version.
fn path(place: &str) -> String {
    let end = place.find(['#', '?']).unwrap_or(place.len());
    let place = place.get(..end).unwrap_or(place).trim();
    let address = place
        .strip_prefix("https://")
        .or_else(|| place.strip_prefix("http://"));
    let within = match address {
        Some(address) => in_repository(address).unwrap_or(address),
        None => place,
    };
    let clean: String = within.chars().filter(|c| !c.is_control()).collect();
    let parts = clean
        .split('/')
        .map(str::trim)
        .filter(|part| !part.is_empty() && !matches!(*part, "." | ".."));
    let path = parts.collect::<Vec<_>>().join("/");
    at_most(&path, MAX_PATH_BYTES).trim_end().to_owned()
}

/// Returns the path of a file within its repository.
fn in_repository(address: &str) -> Option<&str> {
    let (host, rest) = address.split_once('/')?;
    // HOST/OWNER/REPO/blob/REF/PATH, HOST/GROUP/…/REPO/-/blob/REF/PATH
    let after_ref = |marker: &str| {
        rest.split_once(marker)?
            .1
            .split_once('/')
            .map(|(_, path)| path)
    };
    let path = match host {
        "raw.githubusercontent.com" => rest.splitn(4, '/').nth(3),
        _ => ["/-/blob/", "/blob/", "/-/tree/", "/tree/"]
            .iter()
            .find_map(|marker| after_ref(marker)),
    };
    path.filter(|path| !path.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_keeps_its_path_whatever_the_branch_and_a_page_its_address() {
        for (place, expected) in [
            (
                "https://github.com/tokio-rs/tokio/blob/master/README.md#_snippet_3",
                "README.md",
            ),
            (
                "https://github.com/tokio-rs/tokio/blob/tokio-1.40.0/docs/a%20b.md?plain=1",
                "docs/a%20b.md",
            ),
            (
                "https://gitlab.com/group/sub/repo/-/blob/main/docs/guide.md",
                "docs/guide.md",
            ),
            (
                "https://raw.githubusercontent.com/o/r/main/docs/x.md",
                "docs/x.md",
            ),
            ("https://tokio.rs/tokio/topics/", "tokio.rs/tokio/topics"),
            ("http://example.org", "example.org"),
            ("./docs//guide.md", "docs/guide.md"),
            ("../../etc/passwd", "etc/passwd"),
            ("a\u{0}b\n", "ab"),
            ("#only-a-fragment", ""),
        ] {
            assert_eq!(path(place), expected, "{place}");
        }
        assert_eq!(path(&"ä".repeat(400)).len(), MAX_PATH_BYTES);
    }

    #[test]
    fn pieces_of_a_page_are_ordered_by_the_number_in_their_fragment() {
        assert_eq!(number(Some("https://a/b#_snippet_12")), 12);
        assert_eq!(number(Some("https://a/b#L3-9")), 9);
        assert_eq!(number(Some("https://a/b#top")), u64::MAX);
        assert_eq!(number(Some("https://a/b")), u64::MAX);
        assert_eq!(number(None), u64::MAX);
    }

    #[test]
    fn a_piece_without_an_address_stands_where_its_words_say() {
        let code = |id: Option<&str>, file: Option<&str>, page: Option<&str>| {
            of_code(&CodeSnippet {
                id: id.map(str::to_owned),
                source_file: file.map(str::to_owned),
                page_title: page.map(str::to_owned),
                ..CodeSnippet::default()
            })
        };
        let address = Some("https://github.com/o/r/blob/main/docs/a.md#_snippet_0");
        assert_eq!(code(address, Some("a.md"), None), "docs/a.md");
        assert_eq!(code(Some("abc123"), Some("a.md"), None), "a.md");
        assert_eq!(code(None, None, Some("Tutorial")), "Tutorial");
        assert_eq!(code(None, Some("  "), None), "snippets.md");
        let info = |page: Option<&str>, crumb: Option<&str>| {
            of_info(&InfoSnippet {
                page_id: page.map(str::to_owned),
                breadcrumb: crumb.map(str::to_owned),
                ..InfoSnippet::default()
            })
        };
        assert_eq!(info(None, Some("Topics > Shutdown")), "Topics");
        assert_eq!(info(None, None), "notes.md");
    }
}
