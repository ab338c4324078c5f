//! Searching through the documentation of several libraries in one call.

use contexter_model::{Error, ErrorKind};
use contexter_service::Capability;

use crate::{Content, Form};

/// The most libraries that one search may name.
///
/// Source: `docs/search-api.mdx` of <https://github.com/upstash/context7>.
pub const MAX_SEARCH_LIBRARIES: usize = 4;

/// Asks what documentation says about something, without knowing the id of a library.
///
/// Source: `GET /v3/search`, `docs/search-api.mdx` of <https://github.com/upstash/context7>. Without
/// a key it is meant for trying out.
///
/// # Examples
///
/// ```
/// use contexter_context7::SearchContext;
///
/// let search = SearchContext::new("retry with backoff")
///     .libraries(["tokio", "/tower-rs/tower"])
///     .language("rust");
/// assert_eq!(search.libraries.len(), 2);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct SearchContext {
    /// What to find out, 1 to 500 characters; longer queries are cut.
    pub query: String,
    /// Names or ids of libraries, at most [`MAX_SEARCH_LIBRARIES`]. Default none: all libraries.
    pub libraries: Vec<String>,
    /// A version of the libraries; needs at least one of them.
    pub version: Option<String>,
    /// A programming language.
    pub language: Option<String>,
    /// In which form. Default [`Form::Json`].
    pub form: Form,
    /// How many tokens the documentation has at most; what is more is cut here, between pieces.
    /// Default none.
    pub max_tokens: Option<u64>,
}

impl SearchContext {
    /// Searches through all libraries.
    pub fn new(query: impl Into<String>) -> Self {
        Self {
            query: query.into(),
            libraries: Vec::new(),
            version: None,
            language: None,
            form: Form::default(),
            max_tokens: None,
        }
    }

    /// Sets names or ids of the libraries to search through.
    #[must_use]
    pub fn libraries<S: Into<String>>(mut self, libraries: impl IntoIterator<Item = S>) -> Self {
        self.libraries = libraries.into_iter().map(Into::into).collect();
        self
    }

    /// Sets a version of the libraries.
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// Sets a programming language.
    #[must_use]
    pub fn language(mut self, language: impl Into<String>) -> Self {
        self.language = Some(language.into());
        self
    }

    /// Sets the form; [`Form::Json`] by default.
    #[must_use]
    pub fn form(mut self, form: Form) -> Self {
        self.form = form;
        self
    }

    /// Sets how many tokens the documentation has at most; no limit by default.
    #[must_use]
    pub fn max_tokens(mut self, tokens: impl Into<Option<u64>>) -> Self {
        self.max_tokens = tokens.into();
        self
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        let number = self.libraries.len();
        let problem = if number > MAX_SEARCH_LIBRARIES {
            format!("a search names at most {MAX_SEARCH_LIBRARIES} libraries, got {number}")
        } else if let Some(version) = self.version.as_ref().filter(|_| number == 0) {
            format!("the version {version:?} needs the library that it is of")
        } else {
            return Ok(());
        };
        Err(Error::new(ErrorKind::Invalid, problem))
    }
}

impl Capability for SearchContext {
    const NAME: &'static str = "documentation_search";
    type Response = Content;
    type Error = Error;
}
