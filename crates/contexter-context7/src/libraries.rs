//! Searching for libraries.

use std::fmt;

use contexter_model::{Error, Library, LibraryId};
use contexter_service::Capability;
use jiff::Timestamp;

/// Asks which libraries a name means, with all that Context7 knows of them.
///
/// [`ResolveLibrary`](contexter_model::ResolveLibrary) is the same in the terms of the model.
///
/// Source: `GET /v2/libs/search`, `docs/openapi.json` of <https://github.com/upstash/context7>.
///
/// # Examples
///
/// ```
/// use contexter_context7::SearchLibraries;
///
/// let search = SearchLibraries::new("tokio").for_task("run code when a task is cancelled");
/// assert_eq!(search.name, "tokio");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct SearchLibraries {
    /// The name, 1 to 500 characters.
    pub name: String,
    /// What the library is wanted for, by which results are ranked. Default the name itself.
    pub query: Option<String>,
    /// Whether the service leaves out its slower ranking. Default no.
    pub fast: bool,
}

impl SearchLibraries {
    /// Asks for libraries of this name.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            query: None,
            fast: false,
        }
    }

    /// Says what the library is wanted for; longer texts than 500 characters are cut.
    #[must_use]
    pub fn for_task(mut self, query: impl Into<String>) -> Self {
        self.query = Some(query.into());
        self
    }

    /// Sets whether the service leaves out its slower ranking; not by default.
    #[must_use]
    pub fn fast(mut self, fast: bool) -> Self {
        self.fast = fast;
        self
    }
}

impl Capability for SearchLibraries {
    const NAME: &'static str = "library_search";
    type Response = FoundLibraries;
    type Error = Error;
}

/// The libraries that a name may mean; best match first. None is no error.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct FoundLibraries {
    /// The libraries, in the service's order.
    pub libraries: Vec<FoundLibrary>,
    /// Whether a policy of the account left some out.
    pub filtered: bool,
    /// How many more there were whose id cannot be read.
    pub unreadable: usize,
}

/// A library, with all that Context7 tells about it. Only the id is always there.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct FoundLibrary {
    /// The id, by which documentation is fetched.
    pub id: LibraryId,
    /// Its name for people; the name in the id if the service tells none.
    pub title: String,
    /// One line about it; may be empty.
    pub description: String,
    /// The branch that is read.
    pub branch: Option<String>,
    /// When it was last read.
    pub last_update: Option<Timestamp>,
    /// How far its preparation is.
    pub state: Option<LibraryState>,
    /// How many tokens its documentation has.
    pub total_tokens: Option<u64>,
    /// How many snippets its documentation has.
    pub total_snippets: Option<u64>,
    /// How many stars its repository has.
    pub stars: Option<u64>,
    /// How far its publisher is trusted, 0 to 10.
    pub trust_score: Option<f64>,
    /// How well its documentation answers questions, 0 to 100.
    pub benchmark_score: Option<f64>,
    /// The tags whose documentation can be asked for.
    pub versions: Vec<String>,
    /// The address of its source.
    pub source: Option<String>,
}

impl FoundLibrary {
    /// Returns whether documentation can be fetched: the library is finalized, or the service does
    /// not say that it is anything else.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        matches!(
            self.state,
            None | Some(LibraryState::Finalized | LibraryState::Other(_))
        )
    }

    /// Returns the grade of the trust score, as the vendor's own tools name it.
    #[must_use]
    pub fn trust(&self) -> Trust {
        match self.trust_score {
            Some(score) if score >= 7.0 => Trust::High,
            Some(score) if score >= 4.0 => Trust::Medium,
            Some(_) => Trust::Low,
            None => Trust::Unknown,
        }
    }
}

impl From<FoundLibrary> for Library {
    fn from(found: FoundLibrary) -> Self {
        let line = found
            .description
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        Self::new(found.id, found.title, line)
    }
}

/// How far the preparation of a library is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LibraryState {
    /// Its documentation is stable.
    Finalized,
    /// It was added and not read yet.
    Initial,
    /// It is being read.
    Processing,
    /// Reading it failed.
    Error,
    /// It is being removed.
    Delete,
    /// A state that this version does not know, in the service's word.
    Other(String),
}

impl From<String> for LibraryState {
    fn from(state: String) -> Self {
        match state.as_str() {
            "finalized" => Self::Finalized,
            "initial" => Self::Initial,
            "processing" => Self::Processing,
            "error" => Self::Error,
            "delete" => Self::Delete,
            _ => Self::Other(state),
        }
    }
}

/// How far a publisher is trusted.
///
/// Source: package `@upstash/context7-mcp` 4.1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Trust {
    /// The service does not say.
    Unknown,
    /// A score below 4.
    Low,
    /// A score of 4 or more.
    Medium,
    /// A score of 7 or more.
    High,
}

impl fmt::Display for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Unknown => "Unknown",
            Self::Low => "Low",
            Self::Medium => "Medium",
            Self::High => "High",
        })
    }
}
