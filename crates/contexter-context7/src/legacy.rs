//! Reading through the endpoints that were superseded, for integrations that still use them.

use contexter_model::{Error, ErrorKind, LibraryId};
use contexter_service::Capability;

use crate::{Content, Form, FoundLibraries};

/// The last page that can be read.
///
/// Source: `docs/openapi.json` of <https://github.com/upstash/context7>, `GET /v2/docs/code`.
pub const MAX_LEGACY_PAGE: u32 = 10;

/// The most snippets of a page. Source: as [`MAX_LEGACY_PAGE`].
pub const MAX_LEGACY_LIMIT: u32 = 10;

/// Reads documentation by an endpoint that was superseded; new code asks by
/// [`FetchContext`](crate::FetchContext).
///
/// # Examples
///
/// ```
/// use contexter_context7::{LegacyEndpoint, ReadLegacy};
///
/// let library = "/tokio-rs/tokio".parse()?;
/// let request = ReadLegacy::new(library, LegacyEndpoint::V1 { tokens: Some(5_000) })
///     .topic("shutdown");
/// # Ok::<(), contexter_model::InvalidLibraryId>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ReadLegacy {
    /// Whose documentation; the id may name a version.
    pub library: LibraryId,
    /// Which endpoint.
    pub endpoint: LegacyEndpoint,
    /// What it is to be about, at most 500 characters; longer topics are cut. Default anything.
    pub topic: Option<String>,
    /// In which form. Default [`Form::Text`], as the endpoints have it.
    pub form: Form,
    /// Whether a version that the service does not have is answered by the library's default
    /// version. Default no.
    pub tag_fallback: bool,
}

/// An endpoint that was superseded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LegacyEndpoint {
    /// `GET /v1/{owner}/{repo}[/{version}]`.
    V1 {
        /// How many tokens the documentation has at most; the service takes 10,000 for none.
        tokens: Option<u32>,
    },
    /// `GET /v2/docs/code/{owner}/{repo}[/{version}]`.
    CodeV2 {
        /// Which page, 1 to [`MAX_LEGACY_PAGE`].
        page: Option<u32>,
        /// How many snippets a page has, 1 to [`MAX_LEGACY_LIMIT`].
        limit: Option<u32>,
    },
    /// `GET /v2/docs/info/{owner}/{repo}[/{version}]`.
    InfoV2 {
        /// Which page, 1 to [`MAX_LEGACY_PAGE`].
        page: Option<u32>,
        /// How many snippets a page has, 1 to [`MAX_LEGACY_LIMIT`].
        limit: Option<u32>,
    },
}

impl ReadLegacy {
    /// Reads anything of a library, as text.
    #[must_use]
    pub fn new(library: LibraryId, endpoint: LegacyEndpoint) -> Self {
        Self {
            library,
            endpoint,
            topic: None,
            form: Form::Text,
            tag_fallback: false,
        }
    }

    /// Sets what it is to be about.
    #[must_use]
    pub fn topic(mut self, topic: impl Into<String>) -> Self {
        self.topic = Some(topic.into());
        self
    }

    /// Sets the form; [`Form::Text`] by default.
    #[must_use]
    pub fn form(mut self, form: Form) -> Self {
        self.form = form;
        self
    }

    /// Sets whether the default version may answer for one that the service does not have.
    #[must_use]
    pub fn tag_fallback(mut self, allowed: bool) -> Self {
        self.tag_fallback = allowed;
        self
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        let (tokens, page, limit) = match self.endpoint {
            LegacyEndpoint::V1 { tokens } => (tokens, None, None),
            LegacyEndpoint::CodeV2 { page, limit } | LegacyEndpoint::InfoV2 { page, limit } => {
                (None, page, limit)
            }
        };
        for (what, given, most) in [
            ("tokens", tokens, u32::MAX),
            ("page", page, MAX_LEGACY_PAGE),
            ("limit", limit, MAX_LEGACY_LIMIT),
        ] {
            if let Some(given) = given.filter(|given| !(1..=most).contains(given)) {
                let message = format!("{what} must be 1 to {most}, got {given}");
                return Err(Error::new(ErrorKind::Invalid, message));
            }
        }
        Ok(())
    }
}

impl Capability for ReadLegacy {
    const NAME: &'static str = "legacy_documentation";
    type Response = LegacyDocs;
    type Error = Error;
}

/// Documentation that an endpoint gave that was superseded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LegacyDocs {
    /// The library that answered: another one than was asked if that has moved.
    pub library: LibraryId,
    /// Whether the version that was asked for does not exist and the default one answered.
    pub fell_back: bool,
    /// The documentation.
    pub content: Content,
    /// Where in the pages this one is, as far as the service says so.
    pub paging: Paging,
}

/// Where in a number of pages one is, by the headers `X-Context7-Page` and so on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Paging {
    /// Which page it is; the first is 1.
    pub page: Option<u64>,
    /// How many snippets a page has.
    pub limit: Option<u64>,
    /// How many pages there are.
    pub total_pages: Option<u64>,
    /// Whether there is another page after it.
    pub has_next: Option<bool>,
    /// Whether there is another page before it.
    pub has_prev: Option<bool>,
    /// How many tokens all pages have.
    pub total_tokens: Option<u64>,
}

impl Paging {
    /// Reads the headers through `header`.
    pub(crate) fn of<'a>(header: impl Fn(&str) -> Option<&'a str>) -> Self {
        let number = |name: &str| header(name)?.trim().parse().ok();
        let answer = |name: &str| header(name)?.trim().to_ascii_lowercase().parse().ok();
        Self {
            page: number("x-context7-page"),
            limit: number("x-context7-limit"),
            total_pages: number("x-context7-total-pages"),
            has_next: answer("x-context7-has-next"),
            has_prev: answer("x-context7-has-prev"),
            total_tokens: number("x-context7-total-tokens"),
        }
    }
}

/// Searches for libraries by an endpoint that was superseded; new code asks by
/// [`SearchLibraries`](crate::SearchLibraries).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct SearchLegacy {
    /// A name or a description, 1 to 500 characters.
    pub query: String,
    /// Which version of the API.
    pub version: LegacyVersion,
}

/// A version of the API that was superseded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LegacyVersion {
    /// `GET /v1/search`.
    V1,
    /// `GET /v2/search`.
    V2,
}

impl SearchLegacy {
    /// Searches by an endpoint of `version`.
    pub fn new(query: impl Into<String>, version: LegacyVersion) -> Self {
        Self {
            query: query.into(),
            version,
        }
    }
}

impl Capability for SearchLegacy {
    const NAME: &'static str = "legacy_library_search";
    type Response = FoundLibraries;
    type Error = Error;
}
