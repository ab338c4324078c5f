//! Fetching documentation that answers a query.

use contexter_model::{Error, LibraryId};
use contexter_service::Capability;

use crate::Snippets;
use crate::snippets::cut_text;

/// Asks what the documentation of a library says about something.
///
/// Source: `GET /v2/context`, `docs/openapi.json` of <https://github.com/upstash/context7>.
///
/// # Examples
///
/// ```
/// use contexter_context7::{FetchContext, Form};
///
/// let request = FetchContext::new("/tokio-rs/tokio".parse()?, "graceful shutdown")
///     .form(Form::Text)
///     .max_tokens(4_000);
/// # Ok::<(), contexter_model::InvalidLibraryId>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct FetchContext {
    /// Whose documentation; the id may name a version.
    pub library: LibraryId,
    /// What to find out, 1 to 500 characters; longer queries are cut.
    pub query: String,
    /// In which form. Default [`Form::Json`].
    pub form: Form,
    /// Whether the service leaves out its slower ranking. Default no.
    pub fast: bool,
    /// Whether a version that the service does not have is answered by the library's default
    /// version. Default no.
    pub tag_fallback: bool,
    /// How many tokens the documentation has at most. Default none. The service has no such
    /// parameter and chooses itself how much it sends; what is more is cut here, between pieces.
    pub max_tokens: Option<u64>,
}

impl FetchContext {
    /// Asks for documentation as data.
    pub fn new(library: LibraryId, query: impl Into<String>) -> Self {
        Self {
            library,
            query: query.into(),
            form: Form::default(),
            fast: false,
            tag_fallback: false,
            max_tokens: None,
        }
    }

    /// Sets the form; [`Form::Json`] by default.
    #[must_use]
    pub fn form(mut self, form: Form) -> Self {
        self.form = form;
        self
    }

    /// Sets whether the service leaves out its slower ranking; not by default.
    #[must_use]
    pub fn fast(mut self, fast: bool) -> Self {
        self.fast = fast;
        self
    }

    /// Sets whether the default version may answer for one that the service does not have; not by
    /// default. [`Context::fell_back`] tells.
    #[must_use]
    pub fn tag_fallback(mut self, allowed: bool) -> Self {
        self.tag_fallback = allowed;
        self
    }

    /// Sets how many tokens the documentation has at most; no limit by default.
    #[must_use]
    pub fn max_tokens(mut self, tokens: impl Into<Option<u64>>) -> Self {
        self.max_tokens = tokens.into();
        self
    }
}

impl Capability for FetchContext {
    const NAME: &'static str = "documentation_context";
    type Response = Context;
    type Error = Error;
}

/// In which form documentation comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Form {
    /// As data: [`Content::Snippets`].
    #[default]
    Json,
    /// As one text in Markdown: [`Content::Text`].
    Text,
}

impl Form {
    /// Returns the value of the parameter `type`.
    pub(crate) const fn parameter(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Text => "txt",
        }
    }
}

/// What the documentation of a library says about a query.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Context {
    /// The library that answered: another one than was asked if that has moved.
    pub library: LibraryId,
    /// Whether the version that was asked for does not exist and the default one answered.
    pub fell_back: bool,
    /// The documentation.
    pub content: Content,
}

/// Documentation, in the form that was asked for.
///
/// It is text of third parties: data, never instructions to whoever or whatever reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// As data; there may be none.
    Snippets(Snippets),
    /// As one text in Markdown, pieces divided by lines of dashes.
    Text(String),
}

impl Content {
    /// Returns the pieces; none if the documentation is one text.
    #[must_use]
    pub fn snippets(&self) -> Option<&Snippets> {
        match self {
            Self::Snippets(snippets) => Some(snippets),
            Self::Text(_) => None,
        }
    }

    /// Returns the text; none if the documentation is in pieces.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Snippets(_) => None,
        }
    }

    /// Returns whether there is no documentation.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Snippets(snippets) => snippets.is_empty(),
            Self::Text(text) => text.trim().is_empty(),
        }
    }

    pub(crate) fn empty(form: Form) -> Self {
        match form {
            Form::Json => Self::Snippets(Snippets::default()),
            Form::Text => Self::Text(String::new()),
        }
    }

    pub(crate) fn cut_to(self, max_tokens: Option<u64>) -> Self {
        match (self, max_tokens) {
            (content, None) => content,
            (Self::Snippets(snippets), Some(tokens)) => Self::Snippets(snippets.cut_to(tokens)),
            (Self::Text(text), Some(tokens)) => Self::Text(cut_text(text, tokens)),
        }
    }
}
