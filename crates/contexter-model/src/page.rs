//! Pages of the web, and how they are fetched and found.

use contexter_service::Capability;
use serde::{Deserialize, Serialize};

use crate::Error;

/// In which form the text of a [`Page`] is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PageFormat {
    /// As the site sends it.
    Html,
    /// As Markdown that the service makes of it. The default.
    #[default]
    Markdown,
}

impl PageFormat {
    /// Returns the format as a lower-case word, as configuration writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Html => "html",
            Self::Markdown => "markdown",
        }
    }
}

/// Fetches one page of the public web.
///
/// # Behavior
///
/// - Only `http://` and `https://` addresses are fetched, and never an address that is not public: a
///   private, loopback, link-local or metadata address is [`ErrorKind::Invalid`](crate::ErrorKind)
///   before anything is sent, also where the page redirects to one.
/// - Only a page that the site answers with success is a [`Page`]. A page that is not there is
///   [`ErrorKind::NotFound`](crate::ErrorKind::NotFound).
/// - An empty answer is an error, never an empty page: a block page that was taken out looks the same.
///
/// # Examples
///
/// ```
/// use contexter_model::{FetchPage, PageFormat};
///
/// let request = FetchPage::new("https://example.org/").format(PageFormat::Html).country("de");
/// assert_eq!(request.country.as_deref(), Some("de"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FetchPage {
    /// The absolute address of the page.
    pub url: String,
    /// In which form its text is wanted.
    pub format: PageFormat,
    /// From which country the page is to be seen: two letters, as in ISO 3166-1. The service chooses
    /// if it is `None`.
    pub country: Option<String>,
}

impl FetchPage {
    /// Asks for the page at `url`, as Markdown, from any country.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            format: PageFormat::default(),
            country: None,
        }
    }

    /// Sets in which form the text is wanted; Markdown by default.
    #[must_use]
    pub fn format(mut self, format: PageFormat) -> Self {
        self.format = format;
        self
    }

    /// Sets from which country the page is to be seen; any by default.
    #[must_use]
    pub fn country(mut self, country: impl Into<String>) -> Self {
        self.country = Some(country.into());
        self
    }
}

impl Capability for FetchPage {
    const NAME: &'static str = "fetch_page";
    type Response = Page;
    type Error = Error;
}

/// A page that arrived whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Page {
    /// The address that was asked for.
    pub url: String,
    /// The address that answered in the end, if redirects led elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub final_url: Option<String>,
    /// The status that the site answered with: 200 to 299.
    pub status: u16,
    /// The media type that the site named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// In which form the text is.
    pub format: PageFormat,
    /// The whole text; never empty.
    pub text: String,
}

impl Page {
    /// Makes a page of what was fetched from `url`.
    pub fn new(
        url: impl Into<String>,
        status: u16,
        format: PageFormat,
        text: impl Into<String>,
    ) -> Self {
        Self {
            url: url.into(),
            final_url: None,
            status,
            content_type: None,
            format,
            text: text.into(),
        }
    }

    /// Keeps which address answered in the end.
    #[must_use]
    pub fn with_final_url(mut self, url: impl Into<Option<String>>) -> Self {
        self.final_url = url.into();
        self
    }

    /// Keeps the media type.
    #[must_use]
    pub fn with_content_type(mut self, content_type: impl Into<Option<String>>) -> Self {
        self.content_type = content_type.into();
        self
    }
}

/// Searches the public web.
///
/// # Behavior
///
/// Results come in the order of the search engine. A search that finds nothing is an empty list, not an
/// error.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SearchWeb {
    /// What a person would type.
    pub query: String,
    /// For which country: two letters, as in ISO 3166-1.
    pub country: Option<String>,
    /// In which language: two letters, as in ISO 639-1.
    pub language: Option<String>,
    /// How many results to return at most.
    pub limit: usize,
}

impl SearchWeb {
    /// Searches for `query`; at most ten results, any country, any language.
    pub fn new(query: impl Into<String>) -> Self {
        Self {
            query: query.into(),
            country: None,
            language: None,
            limit: 10,
        }
    }

    /// Sets for which country; any by default.
    #[must_use]
    pub fn country(mut self, country: impl Into<String>) -> Self {
        self.country = Some(country.into());
        self
    }

    /// Sets in which language; any by default.
    #[must_use]
    pub fn language(mut self, language: impl Into<String>) -> Self {
        self.language = Some(language.into());
        self
    }

    /// Sets how many results to return at most; ten by default.
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }
}

impl Capability for SearchWeb {
    const NAME: &'static str = "web_search";
    type Response = Vec<WebResult>;
    type Error = Error;
}

/// One result of a search.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct WebResult {
    /// Where it is. What to fetch of it is checked anew by [`FetchPage`].
    pub url: String,
    /// Its title.
    pub title: String,
    /// What the search engine shows of it; empty if nothing.
    pub description: String,
}

impl WebResult {
    /// Makes a result.
    pub fn new(
        url: impl Into<String>,
        title: impl Into<String>,
        description: impl Into<String>,
    ) -> Self {
        Self {
            url: url.into(),
            title: title.into(),
            description: description.into(),
        }
    }
}
