//! What the Context7 server takes and holds.

use std::collections::BTreeMap;

use super::corpus;
use crate::error::Error;

/// Calls a minute, with a key. The vendor documents no number.
const REQUESTS_PER_MINUTE: u64 = 600;
/// Calls a minute without a key: "low", as the vendor says.
const ANONYMOUS_PER_MINUTE: u64 = 20;
/// Calls a month without a key.
const ANONYMOUS_PER_MONTH: u64 = 200;

/// What the Context7 server takes and holds.
///
/// | setting | default |
/// |---|---|
/// | [`api_key`](Self::api_key) | `ctx7sk-sandbox-0123456789` |
/// | [`requests_per_minute`](Self::requests_per_minute) | 600 |
/// | [`monthly_quota`](Self::monthly_quota) | no limit |
/// | [`anonymous`](Self::anonymous) | 20 calls a minute, 200 a month |
/// | [`spending_limit_reached`](Self::spending_limit_reached) | no |
/// | libraries | documentation of this project, one library that is never finalized, one without documentation, one that is private, one that has moved, two that point at each other |
///
/// # Examples
///
/// ```
/// use contexter_sandbox::{Context7Config, LibraryDocs};
///
/// let docs = "<!-- page: README.md -->\n# Widget\n\n## Usage\n\nTurn it.\n";
/// let config = Context7Config::empty()
///     .library(LibraryDocs::new("/acme/widget", docs).finalized_after(2))
///     .moved("/acme/gadget", "/acme/widget")
///     .monthly_quota(1_000);
/// # drop(config);
/// ```
#[derive(Clone, Debug)]
pub struct Context7Config {
    pub(super) api_key: String,
    pub(super) per_minute: u64,
    pub(super) per_month: Option<u64>,
    pub(super) anonymous: Option<(u64, u64)>,
    pub(super) spending_limit_reached: bool,
    pub(super) libraries: BTreeMap<String, LibraryDocs>,
    pub(super) moved: BTreeMap<String, String>,
}

impl Default for Context7Config {
    fn default() -> Self {
        corpus::fill(Self::empty())
    }
}

impl Context7Config {
    /// Creates the default configuration.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates the configuration of a server that knows no library.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            api_key: "ctx7sk-sandbox-0123456789".to_owned(),
            per_minute: REQUESTS_PER_MINUTE,
            per_month: None,
            anonymous: Some((ANONYMOUS_PER_MINUTE, ANONYMOUS_PER_MONTH)),
            spending_limit_reached: false,
            libraries: BTreeMap::new(),
            moved: BTreeMap::new(),
        }
    }

    /// Sets the key.
    #[must_use]
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.api_key = key.into();
        self
    }

    /// Sets how many calls the account may make in a minute.
    #[must_use]
    pub fn requests_per_minute(mut self, calls: u64) -> Self {
        self.per_minute = calls;
        self
    }

    /// Sets how many calls the account may make in a month; the months are those of the calendar.
    #[must_use]
    pub fn monthly_quota(mut self, calls: u64) -> Self {
        self.per_month = Some(calls);
        self
    }

    /// Sets how many calls there may be without a key in a minute and in a month; `None` asks for a
    /// key.
    #[must_use]
    pub fn anonymous(mut self, calls: impl Into<Option<(u64, u64)>>) -> Self {
        self.anonymous = calls.into();
        self
    }

    /// Sets whether the account has reached its spending limit: every call is answered with 402.
    #[must_use]
    pub fn spending_limit_reached(mut self, reached: bool) -> Self {
        self.spending_limit_reached = reached;
        self
    }

    /// Adds a library, in place of one with the same id.
    #[must_use]
    pub fn library(mut self, library: LibraryDocs) -> Self {
        self.libraries.insert(library.id.clone(), library);
        self
    }

    /// Says that a library has moved; requests for the old id are answered with 301.
    #[must_use]
    pub fn moved(mut self, from: impl Into<String>, to: impl Into<String>) -> Self {
        self.moved.insert(from.into(), to.into());
        self
    }

    pub(super) fn validate(&self) -> Result<(), Error> {
        if self.api_key.is_empty() {
            return Err(Error::Invalid("the key of Context7 is empty".to_owned()));
        }
        let anonymous = self.anonymous.unwrap_or((1, 1));
        for (name, limit) in [
            ("requests_per_minute", self.per_minute),
            ("monthly_quota", self.per_month.unwrap_or(1)),
            ("anonymous calls a minute", anonymous.0),
            ("anonymous calls a month", anonymous.1),
        ] {
            if limit == 0 {
                return Err(Error::Invalid(format!("{name} is at least 1, got 0")));
            }
        }
        let ids = self.libraries.keys().chain(self.moved.keys());
        for id in ids.chain(self.moved.values()) {
            let parts: Vec<_> = id.split('/').collect();
            let fits = matches!(parts.as_slice(), ["", owner, name] if !owner.is_empty() && !name.is_empty());
            if !fits {
                return Err(Error::Invalid(format!(
                    "a library id is /owner/name, got {id:?}"
                )));
            }
        }
        Ok(())
    }
}

/// How far a library is prepared, and who may read it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// It can be read.
    #[default]
    Finalized,
    /// It is being prepared and stays so: requests are answered with 202.
    Processing,
    /// It belongs to another team: requests are answered with 403, and searches do not find it.
    Private,
    /// It is too large to be prepared: requests are answered with 422.
    TooLarge,
}

/// A library and its documentation, which is Markdown with marks of where pages begin:
/// `<!-- page: docs/guide.md -->`.
#[derive(Clone, Debug)]
pub struct LibraryDocs {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) description: String,
    pub(super) source: Option<String>,
    pub(super) docs: String,
    pub(super) versions: Vec<(String, String)>,
    pub(super) state: State,
    pub(super) unfinished_calls: u32,
    pub(super) trust: Option<f64>,
    pub(super) stars: Option<u64>,
}

impl LibraryDocs {
    /// Describes the library `/owner/name` and the documentation of its default version.
    pub fn new(id: impl Into<String>, docs: impl Into<String>) -> Self {
        let id = id.into();
        Self {
            title: id.rsplit('/').next().unwrap_or_default().to_owned(),
            description: String::new(),
            source: None,
            docs: docs.into(),
            versions: Vec::new(),
            state: State::default(),
            unfinished_calls: 0,
            trust: None,
            stars: None,
            id,
        }
    }

    /// Sets the name for people.
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// Sets the line about it.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = description.into();
        self
    }

    /// Sets the address of its source; by default that of its id on GitHub.
    #[must_use]
    pub fn source(mut self, url: impl Into<String>) -> Self {
        self.source = Some(url.into());
        self
    }

    /// Adds a tag with its documentation.
    #[must_use]
    pub fn version(mut self, tag: impl Into<String>, docs: impl Into<String>) -> Self {
        self.versions.push((tag.into(), docs.into()));
        self
    }

    /// Sets how far it is prepared, and who may read it.
    #[must_use]
    pub fn state(mut self, state: State) -> Self {
        self.state = state;
        self
    }

    /// Makes it take so many requests for its documentation, answered with 202, to be finalized.
    #[must_use]
    pub fn finalized_after(mut self, requests: u32) -> Self {
        self.unfinished_calls = requests;
        self
    }

    /// Sets the trust score, 0 to 10; unknown by default.
    #[must_use]
    pub fn trust(mut self, score: f64) -> Self {
        self.trust = Some(score);
        self
    }

    /// Sets the stars of its repository; unknown by default.
    #[must_use]
    pub fn stars(mut self, stars: u64) -> Self {
        self.stars = Some(stars);
        self
    }
}
