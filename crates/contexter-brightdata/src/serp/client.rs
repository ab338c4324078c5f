//! The search interface of a zone.

use std::sync::Arc;

use contexter_model::{Error, ErrorKind, SearchWeb, WebResult};
use contexter_service::{Cx, Sample, Service};

use super::{Engine, SearchPage, SerpPage, UnreadableResults, read_results};
use crate::unlock::{Unlock, Unlocked, Unlocker};

/// Results on one page of an engine.
const PAGE: usize = 10;

/// So many pages are asked for one [`SearchWeb`]; each is billed.
const MAX_PAGES: usize = 5;

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
        cx: Cx,
        search: &SearchPage,
        operation: &'static str,
    ) -> Result<SerpPage, Error> {
        let url = search.url(operation)?;
        let unlock = Unlock::new(url.as_str()).data_format(search.data_format());
        let reply = self.unlocker.fetch_within(cx, unlock, operation).await?;
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
        self.search(Cx::new(), &request, "search_page").await
    }
}

/// Asks for pages of results until there are enough. What earlier pages brought is paid for: where a later
/// one fails, they are all that is returned.
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
        let cx = self.unlocker.link().bounded(Cx::new());
        for page in 0..MAX_PAGES {
            search.start = u32::try_from(page.saturating_mul(PAGE)).unwrap_or(u32::MAX);
            let results = match self.search(cx, &search, "search_web").await {
                Ok(results) => results,
                Err(_) if !found.is_empty() => break,
                Err(error) => return Err(error),
            };
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
