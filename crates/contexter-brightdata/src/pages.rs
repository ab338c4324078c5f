//! Web pages as documents.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};
use std::sync::Arc;

use contexter_model::{
    DocsPage, Document, Error, ErrorKind, FetchDocs, FetchPage, Format, Library, LibraryId, Page,
    PageFormat, ResolveLibrary, Skipped,
};
use contexter_service::{Cx, Handle, InvalidConfig, Service, Verdict as _};
use futures_util::{StreamExt as _, stream};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::refusal::Refusal;
use crate::target::PublicUrl;
use crate::text;
use crate::unlock::converted;

/// So many pages of one request are fetched at a time; the stack has its own limit.
const AT_ONCE: usize = 4;

/// The text of one reply to [`FetchDocs`], in bytes; it ends with the page that passes it.
const MAX_REPLY: usize = 8 << 20;

/// A reply looks at so many pages, so that a list of pages that are all blocked does not keep a caller
/// waiting for all of them.
const MAX_TRIED: usize = 64;

/// The longest list of pages that makes one library.
const MAX_PAGES: usize = 100_000;

/// A library of web pages.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct WebLibrary {
    /// The id under which its documents are indexed, such as `/web/rust-book`.
    pub id: LibraryId,
    /// Its name for people; the name within the id by default.
    #[serde(default)]
    pub title: Option<String>,
    /// In which form its pages are fetched; Markdown that the vendor makes by default. HTML is turned
    /// into Markdown here.
    #[serde(default)]
    pub format: PageFormat,
    /// From which country the pages are to be seen.
    #[serde(default)]
    pub country: Option<String>,
    /// The pages, in the order in which they are fetched.
    pub urls: Vec<String>,
}

/// Without the addresses, which may hold keys.
impl fmt::Debug for WebLibrary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebLibrary")
            .field("id", &self.id)
            .field("format", &self.format)
            .field("urls", &self.urls.len())
            .finish_non_exhaustive()
    }
}

impl WebLibrary {
    /// Makes a library of `urls`.
    pub fn new<T: Into<String>>(id: LibraryId, urls: impl IntoIterator<Item = T>) -> Self {
        Self {
            id,
            title: None,
            format: PageFormat::default(),
            country: None,
            urls: urls.into_iter().map(Into::into).collect(),
        }
    }

    /// Sets its name for people.
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// Sets in which form its pages are fetched.
    #[must_use]
    pub fn format(mut self, format: PageFormat) -> Self {
        self.format = format;
        self
    }

    pub(crate) fn validate(&self) -> Result<(), InvalidConfig> {
        let mut seen = BTreeSet::new();
        let mut problems = Vec::new();
        for (index, url) in self.urls.iter().enumerate() {
            match url.parse::<PublicUrl>() {
                Ok(url) if !seen.insert(path_of(&url)) => {
                    problems.push(format!("[{index}] is there twice: {url}"));
                }
                Ok(_) => {}
                Err(error) => problems.push(format!("[{index}]: {}", error.message())),
            }
        }
        let count = self.urls.len();
        let urls = if count == 0 || count > MAX_PAGES {
            Some(format!("must be 1 to {MAX_PAGES} pages, got {count}"))
        } else if problems.is_empty() {
            None
        } else {
            problems.truncate(10);
            Some(problems.join(", "))
        };
        InvalidConfig::check([
            ("urls", urls),
            (
                "country",
                crate::user::country_problem(self.country.as_deref()),
            ),
        ])
    }
}

/// Returns where a page stands within its library: host and path, and a mark of the query, which is not
/// repeated because it may hold a key.
fn path_of(url: &PublicUrl) -> String {
    let mut path = String::from(url.host());
    if let Some(port) = url.url().port() {
        path.push('~');
        path.push_str(&port.to_string());
    }
    path.push_str(url.url().path().trim_end_matches('/'));
    if url.url().scheme() == "http" {
        path.push_str("~http");
    }
    if let Some(query) = url.url().query() {
        path.push('~');
        for byte in Sha256::digest(query.as_bytes()).iter().take(MARK) {
            // Writing to a string cannot fail.
            let _ = write!(path, "{byte:02x}");
        }
    }
    path
}

/// So many bytes of its hash tell one query from the others of a page.
const MARK: usize = 6;

/// Web pages as documents: each page of a configured list is one.
///
/// # Behavior
///
/// - Documents come in the order of the list, under a path that is always the same: host and path of the
///   page.
/// - A page that is blocked, empty, not there or no text is listed as skipped, with the reason. What
///   ails the account, the zone or the connection fails the call: then no page can be had.
/// - The cursor of the next page is the place in the list.
#[derive(Clone, Debug)]
pub(crate) struct WebPages {
    libraries: Arc<[WebLibrary]>,
    fetch: Handle<FetchPage>,
}

impl WebPages {
    pub(crate) fn new(libraries: &[WebLibrary], fetch: Handle<FetchPage>) -> Self {
        Self {
            libraries: libraries.into(),
            fetch,
        }
    }

    fn library(&self, id: &LibraryId) -> Result<&WebLibrary, Error> {
        self.libraries
            .iter()
            .find(|library| library.id == *id)
            .ok_or_else(|| Error::new(ErrorKind::NotFound, format!("no library \"{id}\"")))
    }

    async fn document(&self, library: &WebLibrary, url: &str) -> Result<Document, Failed> {
        // Checked with the configuration.
        let public: PublicUrl = url.parse().map_err(Failed::All)?;
        let path = path_of(&public);
        let mut request = FetchPage::new(url).format(library.format);
        request.country.clone_from(&library.country);
        let page = self
            .fetch
            .call(request)
            .await
            .map_err(|error| failed(&path, error))?;
        let title = match page.format {
            PageFormat::Html => text::title(&page.text, true),
            _ => None,
        };
        let format = format_of(&page);
        let page = converted(page, PageFormat::Markdown, OPERATION, Cx::new())
            .await
            .map_err(|error| failed(&path, error))?;
        if page.text.trim().is_empty() {
            return Err(Failed::One(Skipped {
                path,
                reason: "the page holds no text".to_owned(),
            }));
        }
        let title = title
            .or_else(|| text::title(&page.text, false))
            .unwrap_or_else(|| path.clone());
        Ok(Document {
            library: library.id.clone(),
            path,
            title,
            format,
            text: page.text,
        })
    }
}

const OPERATION: &str = "fetch_docs";

/// Text that is neither HTML nor Markdown stays as it is.
fn format_of(page: &Page) -> Format {
    let media = page.content_type.as_deref().unwrap_or_default();
    let is_plain = media == "text/plain" || media.ends_with("json");
    if page.format == PageFormat::Html && is_plain {
        Format::Plain
    } else {
        Format::Markdown
    }
}

enum Failed {
    /// One page cannot be had.
    One(Skipped),
    /// No page can be had.
    All(Error),
}

fn failed(path: &str, error: Error) -> Failed {
    let is_about_the_page = match Refusal::of(&error) {
        Some(refusal) => refusal.is_about_the_page(),
        // Where the page redirects to, what it is made of.
        None => {
            !error.is_rejection()
                && match error.kind() {
                    ErrorKind::NotFound
                    | ErrorKind::Invalid
                    | ErrorKind::TooLarge
                    | ErrorKind::Unsupported
                    | ErrorKind::Protocol => true,
                    // Of a page that is too slow; of the vendor, the breaker tells. Where not even a
                    // connection was made, it is the vendor's.
                    ErrorKind::Timeout => error.sent(),
                    _ => false,
                }
        }
    };
    if is_about_the_page {
        Failed::One(Skipped {
            path: path.to_owned(),
            reason: error.message().to_owned(),
        })
    } else {
        Failed::All(error)
    }
}

impl Service<FetchDocs> for WebPages {
    type Response = DocsPage;
    type Error = Error;

    async fn call(&self, request: FetchDocs) -> Result<DocsPage, Error> {
        let signed = |error: Error| error.with_service(crate::NAME).with_operation(OPERATION);
        let library = self.library(&request.library).map_err(signed)?;
        let start = match &request.cursor {
            None => 0,
            Some(cursor) => cursor.parse::<usize>().map_err(|_no_number| {
                signed(Error::new(
                    ErrorKind::Invalid,
                    "the cursor is none of this source",
                ))
            })?,
        };
        let rest = library.urls.get(start..).unwrap_or_default();
        let mut page = DocsPage::default();
        let mut bytes = 0_usize;
        let mut tried = 0_usize;
        'pages: while tried < rest.len().min(MAX_TRIED) {
            let wanted = request.limit.max(1).saturating_sub(page.documents.len());
            if wanted == 0 || bytes >= MAX_REPLY {
                break;
            }
            // As many at once as are surely wanted: what is fetched and not returned is paid for twice.
            let batch: Vec<_> = rest
                .iter()
                .skip(tried)
                .take(wanted.min(AT_ONCE))
                .map(|url| self.document(library, url))
                .collect();
            let mut fetched = stream::iter(batch).buffered(AT_ONCE);
            while let Some(outcome) = fetched.next().await {
                match outcome {
                    Ok(document) => {
                        bytes = bytes.saturating_add(document.text.len());
                        page.documents.push(document);
                    }
                    Err(Failed::One(skipped)) => page.skipped.push(skipped),
                    // What there is already is returned; the next call ends with the error.
                    Err(Failed::All(_)) if tried > 0 => break 'pages,
                    Err(Failed::All(error)) => return Err(error),
                }
                tried += 1;
            }
        }
        let next = start.saturating_add(tried);
        if next < library.urls.len() {
            page.next = Some(next.to_string());
        }
        Ok(page)
    }
}

impl Service<ResolveLibrary> for WebPages {
    type Response = Vec<Library>;
    type Error = Error;

    async fn call(&self, request: ResolveLibrary) -> Result<Vec<Library>, Error> {
        let wanted = request.name.trim().to_lowercase();
        let mut found: Vec<(usize, Library)> = self
            .libraries
            .iter()
            .filter_map(|library| {
                let title = library.title.as_deref().unwrap_or(library.id.name());
                let name = library.id.name().to_lowercase();
                let rank = if wanted.is_empty() || name == wanted || library.id.as_str() == wanted {
                    0
                } else if name.starts_with(&wanted) {
                    1
                } else if name.contains(&wanted) || title.to_lowercase().contains(&wanted) {
                    2
                } else {
                    return None;
                };
                let description = format!("{} web pages", library.urls.len());
                Some((rank, Library::new(library.id.clone(), title, description)))
            })
            .collect();
        found.sort_by_key(|(rank, _)| *rank);
        Ok(found
            .into_iter()
            .map(|(_, library)| library)
            .take(request.limit)
            .collect())
    }
}
