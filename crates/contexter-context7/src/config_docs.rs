//! What a library is asked about.

use serde::{Deserialize, Serialize};

use crate::query::MAX_QUERY_CHARS;

/// How many topics a library may be asked about: each costs a call of the monthly allowance.
pub const MAX_TOPICS: usize = 64;

/// What a library is asked about unless told otherwise; each costs one call.
pub const DEFAULT_TOPICS: [&str; 8] = [
    "overview and getting started",
    "installation and setup",
    "configuration options",
    "core concepts",
    "api reference",
    "usage examples",
    "error handling and troubleshooting",
    "advanced usage and integration",
];

/// What is fetched when the documents of a whole library are asked for.
///
/// Context7 lists no documents: it answers questions about a library, with as much as it sees fit.
/// So a library is asked about a set of topics, and what comes back is put together by the page that
/// it is from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct DocsConfig {
    /// What is asked, 1 to [`MAX_TOPICS`] topics; each costs one call of the monthly allowance.
    /// Default [`DEFAULT_TOPICS`].
    pub topics: Vec<String>,
    /// How many tokens of an answer are taken at most, by the service's count; whole snippets in
    /// the order of their relevance. Default none: all that comes.
    pub max_tokens: Option<u64>,
    /// Whether a version that the service does not have is answered by the library's default
    /// version. Default no: what is indexed would be of another version than asked.
    pub tag_fallback: bool,
    /// Whether the service leaves out its slower ranking. Default no.
    pub fast: bool,
}

impl Default for DocsConfig {
    fn default() -> Self {
        Self {
            topics: DEFAULT_TOPICS.map(str::to_owned).to_vec(),
            max_tokens: None,
            tag_fallback: false,
            fast: false,
        }
    }
}

impl DocsConfig {
    /// Creates the default settings.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets what is asked.
    #[must_use]
    pub fn with_topics<S: Into<String>>(mut self, topics: impl IntoIterator<Item = S>) -> Self {
        self.topics = topics.into_iter().map(Into::into).collect();
        self
    }

    /// Sets how many tokens of an answer are taken at most.
    #[must_use]
    pub fn with_max_tokens(mut self, tokens: impl Into<Option<u64>>) -> Self {
        self.max_tokens = tokens.into();
        self
    }

    /// Sets whether a version that the service does not have is answered by the default version.
    #[must_use]
    pub fn with_tag_fallback(mut self, allowed: bool) -> Self {
        self.tag_fallback = allowed;
        self
    }

    /// Sets whether the service leaves out its slower ranking.
    #[must_use]
    pub fn with_fast(mut self, fast: bool) -> Self {
        self.fast = fast;
        self
    }

    pub(crate) fn fault(&self) -> Option<String> {
        let count = self.topics.len();
        if count == 0 || count > MAX_TOPICS {
            return Some(format!("must be 1 to {MAX_TOPICS} topics, got {count}"));
        }
        self.topics.iter().enumerate().find_map(|(index, topic)| {
            if topic.trim().is_empty() {
                return Some(format!("must not be blank, but topic {index} is"));
            }
            (topic.len() > MAX_QUERY_CHARS).then(|| {
                format!(
                    "must have at most {MAX_QUERY_CHARS} bytes each, got {} in topic {index}",
                    topic.len()
                )
            })
        })
    }
}
