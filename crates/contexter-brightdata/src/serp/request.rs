//! What can be asked of the search interface.

use contexter_model::{Error, ErrorKind};
use contexter_service::{Capability, Sample};
use serde::{Deserialize, Serialize};
use url::Url;

use super::SerpPage;
use crate::link::refused_here;
use crate::target::PublicUrl;
use crate::unlock::DataFormat;

/// Search engines answer a question of at most this many characters (Google cuts it at 2,048).
const MAX_QUERY: usize = 2048;

/// A search engine whose results the vendor can read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Engine {
    /// Google. The default.
    #[default]
    Google,
    /// Bing.
    Bing,
    /// Yandex, whose results the vendor does not read: it is refused before anything is sent. Its pages
    /// are there for [`Unlock`](crate::Unlock).
    Yandex,
}

/// Asks for one page of results.
///
/// # Examples
///
/// ```
/// use contexter_brightdata::{Engine, SearchPage};
///
/// let search = SearchPage::new("rust async book").engine(Engine::Bing).country("us").start(10);
/// assert_eq!(search.start, 10);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SearchPage {
    /// What a person would type.
    pub query: String,
    /// The engine.
    pub engine: Engine,
    /// For which country: two letters.
    pub country: Option<String>,
    /// In which language: two letters.
    pub language: Option<String>,
    /// How many results to pass over.
    pub start: u32,
    /// Whether only the main parts are wanted, which is cheaper to read; Google only.
    pub light: bool,
}

impl SearchPage {
    /// Searches for `query` at Google, from the first result.
    pub fn new(query: impl Into<String>) -> Self {
        Self {
            query: query.into(),
            engine: Engine::default(),
            country: None,
            language: None,
            start: 0,
            light: false,
        }
    }

    /// Sets the engine; Google by default.
    #[must_use]
    pub fn engine(mut self, engine: Engine) -> Self {
        self.engine = engine;
        self
    }

    /// Sets for which country.
    #[must_use]
    pub fn country(mut self, country: impl Into<String>) -> Self {
        self.country = Some(country.into());
        self
    }

    /// Sets in which language.
    #[must_use]
    pub fn language(mut self, language: impl Into<String>) -> Self {
        self.language = Some(language.into());
        self
    }

    /// Sets how many results to pass over.
    #[must_use]
    pub fn start(mut self, start: u32) -> Self {
        self.start = start;
        self
    }

    /// Asks for the main parts only.
    #[must_use]
    pub fn light(mut self) -> Self {
        self.light = true;
        self
    }

    /// Returns the address of the page of results.
    pub(crate) fn url(&self, operation: &'static str) -> Result<PublicUrl, Error> {
        if self.query.trim().is_empty() || self.query.chars().count() > MAX_QUERY {
            return Err(refused_here(
                format!("a search has 1 to {MAX_QUERY} characters"),
                operation,
            ));
        }
        for (name, value) in [("country", &self.country), ("language", &self.language)] {
            let is_good = value.as_ref().is_none_or(|value| {
                value.len() == 2 && value.bytes().all(|byte| byte.is_ascii_lowercase())
            });
            if !is_good {
                return Err(refused_here(
                    format!("{name} must be two lower-case letters"),
                    operation,
                ));
            }
        }
        let base = match self.engine {
            Engine::Google => "https://www.google.com/search",
            Engine::Bing => "https://www.bing.com/search",
            Engine::Yandex => {
                return Err(Error::new(
                    ErrorKind::Unsupported,
                    "results of yandex are not read: ask for the page itself",
                )
                .with_service(crate::NAME)
                .with_operation(operation)
                .with_verdict(Sample::Neutral, false)
                .with_not_sent());
            }
        };
        let mut url = Url::parse(base).map_err(|error| {
            Error::new(ErrorKind::Unexpected, "the engine has no address").with_source(error)
        })?;
        {
            let mut pairs = url.query_pairs_mut();
            pairs.append_pair("q", &self.query);
            let (country, language) = match self.engine {
                Engine::Google => ("gl", "hl"),
                _ => ("cc", "setlang"),
            };
            if let Some(value) = &self.country {
                pairs.append_pair(country, value);
            }
            if let Some(value) = &self.language {
                pairs.append_pair(language, value);
            }
            match self.engine {
                Engine::Google => {
                    if self.start > 0 {
                        pairs.append_pair("start", &self.start.to_string());
                    }
                    if !self.light {
                        pairs.append_pair("brd_json", "1");
                    }
                }
                _ => {
                    if self.start > 0 {
                        // Counted from 1.
                        let first = self.start.saturating_add(1);
                        pairs.append_pair("first", &first.to_string());
                    }
                }
            }
        }
        url.as_str().parse()
    }

    pub(super) fn data_format(&self) -> Option<DataFormat> {
        match self.engine {
            Engine::Bing => Some(DataFormat::ParsedBing),
            Engine::Google if self.light => Some(DataFormat::ParsedLight),
            _ => None,
        }
    }
}

impl Capability for SearchPage {
    const NAME: &'static str = "search_results";
    type Response = SerpPage;
    type Error = Error;
}
