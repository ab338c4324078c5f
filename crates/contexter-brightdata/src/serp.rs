//! Search results, as the vendor reads them from the pages of search engines.

use std::sync::Arc;

use contexter_model::{Error, ErrorKind, SearchWeb, WebResult};
use contexter_service::{Capability, Sample, Service};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::Url;

use crate::link::refused_here;
use crate::target::PublicUrl;
use crate::unlock::{DataFormat, Unlock, Unlocked, Unlocker};

/// Search engines answer a question of at most this many characters (Google cuts it at 2,048).
const MAX_QUERY: usize = 2048;

/// Results on one page of an engine.
const PAGE: usize = 10;

/// So many pages are asked for one [`SearchWeb`]; each is billed.
const MAX_PAGES: usize = 5;

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
    /// are there for [`Unlock`].
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

    fn data_format(&self) -> Option<DataFormat> {
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

/// One page of results.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SerpPage {
    /// The results proper, in the order of the engine.
    pub organic: Vec<Organic>,
    /// What people search as well.
    pub related: Vec<String>,
    /// How many results the engine claims to know.
    pub total: Option<u64>,
    /// Everything that the vendor read, as it came: advertisements, knowledge, questions, and so on.
    pub rest: Map<String, Value>,
}

/// One result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Organic {
    /// Its place on the page, counted from 1.
    pub rank: u32,
    /// Where it is.
    pub url: String,
    /// Its title.
    pub title: String,
    /// What the engine shows of it; empty if nothing.
    pub description: String,
}

/// Reads the JSON of a page of results.
///
/// # Examples
///
/// ```
/// use contexter_brightdata::read_results;
///
/// let page = read_results(br#"{"organic": [{"link": "https://a.org/", "title": "A"}]}"#).unwrap();
/// assert_eq!(page.organic[0].url, "https://a.org/");
/// assert!(read_results(b"<html>").is_err());
/// ```
///
/// # Errors
///
/// What is wrong with it: it is a page of HTML, which is what a zone without parsing gives, or it is not
/// the JSON that is expected.
pub fn read_results(body: &[u8]) -> Result<SerpPage, UnreadableResults> {
    let body = body
        .strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(body)
        .trim_ascii_start();
    if !body.starts_with(b"{") {
        return Err(UnreadableResults::NotParsed);
    }
    let mut rest: Map<String, Value> =
        serde_json::from_slice(body).map_err(|error| UnreadableResults::Malformed {
            line: error.line(),
            column: error.column(),
        })?;
    let organic = match rest.remove("organic") {
        Some(Value::Array(results)) => results,
        // A page without results has no such list, but it says what it is a page of.
        None | Some(Value::Null)
            if ["general", "input", "related"]
                .iter()
                .any(|key| rest.contains_key(*key)) =>
        {
            Vec::new()
        }
        _ => return Err(UnreadableResults::NoResults),
    };
    let text = |value: &Value, names: &[&str]| {
        names
            .iter()
            .find_map(|name| value.get(name).and_then(Value::as_str))
            .map(str::to_owned)
    };
    let organic = organic
        .iter()
        .enumerate()
        .filter_map(|(index, result)| {
            let place = u32::try_from(index + 1).unwrap_or(u32::MAX);
            let rank = result.get("rank").and_then(Value::as_u64);
            Some(Organic {
                rank: rank
                    .and_then(|rank| u32::try_from(rank).ok())
                    .unwrap_or(place),
                // A result that leads nowhere is none.
                url: text(result, &["link", "url"])?,
                title: text(result, &["title"]).unwrap_or_default(),
                description: text(result, &["description", "snippet"]).unwrap_or_default(),
            })
        })
        .collect();
    let related = match rest.get("related") {
        Some(Value::Array(related)) => related
            .iter()
            .filter_map(|entry| match entry {
                Value::String(text) => Some(text.clone()),
                entry => text(entry, &["text", "query"]),
            })
            .collect(),
        _ => Vec::new(),
    };
    let total = rest
        .get("general")
        .and_then(|general| general.get("results_cnt"))
        .and_then(Value::as_u64);
    Ok(SerpPage {
        organic,
        related,
        total,
        rest,
    })
}

/// Why the answer to a search cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnreadableResults {
    /// The page itself came.
    #[error("the page of results came unread: the zone does not parse results")]
    NotParsed,
    /// It is no JSON.
    #[error("the results are not the json expected, at line {line} column {column}")]
    Malformed {
        /// Where.
        line: usize,
        /// Where in the line.
        column: usize,
    },
    /// It is JSON of something else.
    #[error("the answer holds no list of results")]
    NoResults,
}

/// The search zone.
#[derive(Clone, Debug)]
pub(crate) struct Searcher {
    unlocker: Arc<Unlocker>,
    engine: Engine,
}

impl Searcher {
    pub(crate) fn new(unlocker: Unlocker, engine: Engine) -> Self {
        Self {
            unlocker: Arc::new(unlocker),
            engine,
        }
    }

    async fn search(
        &self,
        search: &SearchPage,
        operation: &'static str,
    ) -> Result<SerpPage, Error> {
        let url = search.url(operation)?;
        let unlock = Unlock::new(url.as_str()).data_format(search.data_format());
        let reply = self.unlocker.fetch(unlock, operation).await?;
        read(&reply, operation)
    }
}

/// Reads the answer to a search.
pub(crate) fn read(reply: &Unlocked, operation: &'static str) -> Result<SerpPage, Error> {
    let signed = |kind, message: String| {
        Error::new(kind, message)
            .with_service(crate::NAME)
            .with_operation(operation)
    };
    if !(200..300).contains(&reply.status) {
        return Err(signed(
            ErrorKind::Unavailable,
            format!("the search engine answers {}", reply.status),
        )
        .with_verdict(Sample::Success, false));
    }
    read_results(&reply.body).map_err(|problem| {
        let kind = match problem {
            UnreadableResults::NotParsed => ErrorKind::Unsupported,
            _ => ErrorKind::Protocol,
        };
        signed(kind, problem.to_string())
    })
}

impl Service<SearchPage> for Searcher {
    type Response = SerpPage;
    type Error = Error;

    async fn call(&self, request: SearchPage) -> Result<SerpPage, Error> {
        self.search(&request, "search_page").await
    }
}

impl Service<SearchWeb> for Searcher {
    type Response = Vec<WebResult>;
    type Error = Error;

    async fn call(&self, request: SearchWeb) -> Result<Vec<WebResult>, Error> {
        let mut found: Vec<WebResult> = Vec::new();
        if request.limit == 0 {
            return Ok(found);
        }
        let mut search = SearchPage::new(request.query).engine(self.engine);
        search.country = request.country;
        search.language = request.language;
        for page in 0..MAX_PAGES {
            search.start = u32::try_from(page.saturating_mul(PAGE)).unwrap_or(u32::MAX);
            let results = self.search(&search, "search_web").await?;
            let before = found.len();
            for result in results.organic {
                // Engines repeat results on the next page.
                if !found.iter().any(|known| known.url == result.url) {
                    found.push(WebResult::new(result.url, result.title, result.description));
                }
            }
            if found.len() >= request.limit || found.len() == before {
                break;
            }
        }
        found.truncate(request.limit);
        Ok(found)
    }
}
