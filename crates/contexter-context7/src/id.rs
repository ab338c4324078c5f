//! The ids of libraries, as Context7 writes them.

use std::fmt;
use std::str::FromStr;

use contexter_model::LibraryId;

/// The longest id that is accepted, in characters.
///
/// Source: `docs/openapi.json` of <https://github.com/upstash/context7>, parameter `libraryId`.
pub const MAX_ID_CHARS: usize = 500;

/// How much of a wrong id an error shows, in characters.
const SHOWN_CHARS: usize = 80;

/// Where the documentation of a library comes from, by its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum IdKind {
    /// A repository, `/owner/repo`.
    Repository,
    /// A website, `/websites/tokio_rs`.
    Website,
    /// A file `llms.txt`, `/llmstxt/example_com`.
    LlmsTxt,
    /// A package, `/npm/express` or `/packages/express`.
    Package,
    /// Documentation that belongs to none of them, `/docs/name`.
    Docs,
}

/// The id of a library at Context7.
///
/// The grammar is `/owner/name`, with a version after it as `/version` or `@version`; a name may have
/// a scope, as in `/npm/@babel/core`, and takes its version behind an `@` then. It is that of
/// [`LibraryId`], into which and from which it turns; this type adds errors that say what is wrong,
/// what kind of source an id names, and the forms that people paste.
///
/// # Examples
///
/// ```
/// use contexter_context7::{Context7Id, IdKind};
///
/// let id: Context7Id = "/tokio-rs/tokio@tokio-1.40.0".parse()?;
/// assert_eq!((id.owner(), id.name(), id.version()), ("tokio-rs", "tokio", Some("tokio-1.40.0")));
/// assert_eq!(id.kind(), IdKind::Repository);
/// assert_eq!(id.without_version().as_str(), "/tokio-rs/tokio");
///
/// let error = "tokio".parse::<Context7Id>().unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "invalid library id \"tokio\": must begin with a slash, as in /owner/name or \
///      /owner/name/version",
/// );
/// # Ok::<(), contexter_context7::InvalidId>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Context7Id(LibraryId);

impl Context7Id {
    /// Reads an id as people paste it: with white space around it, without the leading slash (as
    /// in the URLs of the legacy API), or as the address of the library's page on context7.com.
    ///
    /// # Examples
    ///
    /// ```
    /// use contexter_context7::Context7Id;
    ///
    /// for pasted in ["tokio-rs/tokio", " /tokio-rs/tokio ", "https://context7.com/tokio-rs/tokio"] {
    ///     assert_eq!(Context7Id::from_pasted(pasted)?.as_str(), "/tokio-rs/tokio");
    /// }
    /// # Ok::<(), contexter_context7::InvalidId>(())
    /// ```
    ///
    /// # Errors
    ///
    /// What is wrong with the id that is left.
    pub fn from_pasted(text: &str) -> Result<Self, InvalidId> {
        let text = text.trim();
        let id = [
            "https://context7.com/",
            "http://context7.com/",
            "context7.com/",
        ]
        .iter()
        .find_map(|prefix| text.strip_prefix(prefix))
        .map_or(text, |path| {
            let end = path.find(['?', '#']).unwrap_or(path.len());
            path.get(..end).unwrap_or(path).trim_end_matches('/')
        });
        if id.is_empty() || id.starts_with('/') {
            id.parse()
        } else {
            format!("/{id}").parse()
        }
    }

    /// Returns the id as text, with its leading slash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Returns the part that says who publishes the library, or what kind of source it is.
    #[must_use]
    pub fn owner(&self) -> &str {
        self.0.owner()
    }

    /// Returns the name without owner and version.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.name()
    }

    /// Returns the version, which is the name of a tag, if the id names one.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        self.0.version()
    }

    /// Returns where the documentation comes from.
    #[must_use]
    pub fn kind(&self) -> IdKind {
        match self.owner() {
            "websites" => IdKind::Website,
            "llmstxt" => IdKind::LlmsTxt,
            "npm" | "packages" => IdKind::Package,
            "docs" => IdKind::Docs,
            _ => IdKind::Repository,
        }
    }

    /// Returns the id of the same library without a version.
    #[must_use]
    pub fn without_version(&self) -> Self {
        Self(without_version(&self.0))
    }

    /// Returns the id of this library at another version, written `/owner/name/version`, or
    /// `/owner/@name@version` where the name begins with an `@`.
    ///
    /// # Errors
    ///
    /// What keeps `version` from being part of an id: tags that hold a `/` cannot.
    pub fn with_version(&self, version: &str) -> Result<Self, InvalidId> {
        // Behind such a name a slash goes on with the name.
        let mark = if self.name().starts_with('@') {
            '@'
        } else {
            '/'
        };
        let id: Self = format!("/{}/{}{mark}{version}", self.owner(), self.name()).parse()?;
        if (id.name(), id.version()) == (self.name(), Some(version)) {
            Ok(id)
        } else {
            Err(InvalidId {
                id: shown(id.as_str()),
                why: IdFault::Mark,
            })
        }
    }

    /// Returns the parts of the path that name the library in URLs of the legacy API. Those have room
    /// for three: the version of a name with a scope stays behind its `@`.
    pub fn legacy_segments(&self) -> impl Iterator<Item = &str> {
        let parts = match self.name().split_once('/') {
            Some((scope, _)) => {
                let name = self.as_str().rsplit('/').next();
                [Some(self.owner()), Some(scope), name]
            }
            None => [Some(self.owner()), Some(self.name()), self.version()],
        };
        parts.into_iter().flatten()
    }

    /// Returns the id as the model has it.
    #[must_use]
    pub fn as_library_id(&self) -> &LibraryId {
        &self.0
    }
}

/// Returns the id of the same library without a version.
pub(crate) fn without_version(id: &LibraryId) -> LibraryId {
    format!("/{}/{}", id.owner(), id.name())
        .parse()
        .expect("owner and name of an id are those of an id")
}

impl FromStr for Context7Id {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let invalid = |why| InvalidId {
            id: shown(text),
            why,
        };
        if let Some(why) = fault(text) {
            return Err(invalid(why));
        }
        // What is left is what the grammar asks beyond the parts: where the version begins.
        text.parse()
            .map(Self)
            .map_err(|_grammar| invalid(IdFault::Mark))
    }
}

fn fault(text: &str) -> Option<IdFault> {
    let chars = text.chars().count();
    if text.is_empty() {
        return Some(IdFault::Empty);
    }
    // Bytes, too: the model counts those.
    if chars > MAX_ID_CHARS || text.len() > MAX_ID_CHARS {
        return Some(IdFault::Long(chars));
    }
    if let Some(bad) = text.chars().find(|c| c.is_whitespace() || c.is_control()) {
        return Some(IdFault::Character(bad));
    }
    let Some(rest) = text.strip_prefix('/') else {
        return Some(IdFault::NoSlash);
    };
    let parts: Vec<&str> = rest.splitn(4, '/').collect();
    if parts.len() < 2 {
        return Some(IdFault::NoName);
    }
    if parts.iter().any(|part| part.is_empty()) {
        return Some(IdFault::EmptyPart);
    }
    (parts.len() > 3).then_some(IdFault::TooManyParts)
}

fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN_CHARS).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

impl fmt::Display for Context7Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Every id of the model is one of Context7.
impl From<LibraryId> for Context7Id {
    fn from(id: LibraryId) -> Self {
        Self(id)
    }
}

impl From<Context7Id> for LibraryId {
    fn from(id: Context7Id) -> Self {
        id.0
    }
}

/// The error returned for a text that is no [`Context7Id`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid library id {id:?}: {why}, as in /owner/name or /owner/name/version")]
pub struct InvalidId {
    id: String,
    why: IdFault,
}

impl InvalidId {
    /// Returns what is wrong.
    #[must_use]
    pub fn fault(&self) -> IdFault {
        self.why
    }
}

/// What is wrong with an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdFault {
    /// There is no text.
    #[error("must not be empty")]
    Empty,
    /// The leading slash is missing.
    #[error("must begin with a slash")]
    NoSlash,
    /// There is an owner only.
    #[error("must have an owner and a name")]
    NoName,
    /// Two slashes follow one another, or one ends the text.
    #[error("must not have an empty part")]
    EmptyPart,
    /// There are four parts or more; a tag that holds a slash cannot be named.
    #[error("must have two or three parts; a version must not hold a slash")]
    TooManyParts,
    /// A character that no id holds.
    #[error("must not hold {0:?}")]
    Character(char),
    /// It is longer than [`MAX_ID_CHARS`].
    #[error("must have at most {MAX_ID_CHARS} characters, got {0}")]
    Long(usize),
    /// There is a version behind an `@` and another one behind a slash, or an `@` at the end of a name
    /// runs into the one before a version.
    #[error("must not leave open where the version begins")]
    Mark,
}
