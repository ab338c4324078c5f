//! The documents of a library, put together from what it says about a set of topics.

mod markdown;
mod page;
mod path;

use contexter_model::{DocsPage, Error, ErrorKind, FetchDocs};
use contexter_service::{Handle, Service};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use self::page::Pages;
use crate::client::NAME;
use crate::{Context, DocsConfig, FetchContext};

/// How many topics are asked about at a time.
const ASKING: usize = 4;

/// The text of one page of documents, in bytes; a page ends with the document that passes it.
const MAX_PAGE_BYTES: usize = 8 << 20;

const OPERATION: &str = "fetch_docs";

/// Gives the documents of libraries.
#[derive(Clone, Debug)]
pub(crate) struct Docs {
    context: Handle<FetchContext>,
    config: DocsConfig,
}

impl Docs {
    pub(crate) fn new(context: Handle<FetchContext>, config: DocsConfig) -> Self {
        Self { context, config }
    }

    fn request(&self, request: &FetchDocs, topic: &str) -> FetchContext {
        FetchContext::new(request.library.clone(), topic)
            .fast(self.config.fast)
            .tag_fallback(self.config.tag_fallback)
            .max_tokens(self.config.max_tokens)
    }

    /// Asks about every topic; the answers come in the order of the topics.
    async fn answers(&self, request: &FetchDocs) -> Result<Vec<Context>, Error> {
        let Some((first, others)) = self.config.topics.split_first() else {
            return Ok(Vec::new());
        };
        // Alone: of a library that is unknown or not finalized nothing else need be asked.
        let mut answers = vec![self.context.call(self.request(request, first)).await?];
        let others: Vec<FetchContext> = others
            .iter()
            .map(|topic| self.request(request, topic))
            .collect();
        let others: Vec<Context> = stream::iter(others)
            .map(|request| {
                let context = self.context.clone();
                async move { context.call(request).await }
            })
            .buffered(ASKING)
            .try_collect()
            .await?;
        answers.extend(others);
        Ok(answers)
    }
}

impl Service<FetchDocs> for Docs {
    type Response = DocsPage;
    type Error = Error;

    /// Asks about all topics and gives one page of the documents that come of it. Where answers are
    /// kept, the pages after the first cost nothing.
    async fn call(&self, request: FetchDocs) -> Result<DocsPage, Error> {
        let answers = self.answers(&request).await?;
        let mut pages = Pages::default();
        let mut unreadable = 0;
        for answer in &answers {
            if let Some(snippets) = answer.content.snippets() {
                pages.add(snippets);
                unreadable += snippets.unreadable;
            }
        }
        if unreadable > 0 {
            tracing::warn!(
                service = NAME,
                library = %request.library,
                unreadable,
                "snippets without content were left out"
            );
        }
        if pages.is_empty() {
            return Err(Error::new(
                ErrorKind::NotFound,
                format!(
                    "{} has no documentation on any of {} topics",
                    request.library,
                    answers.len()
                ),
            )
            .with_service(NAME)
            .with_operation(OPERATION));
        }
        Ok(one_page(pages, &request))
    }
}

/// Cuts the page after the cursor, which is the path of the last document before it.
fn one_page(pages: Pages, request: &FetchDocs) -> DocsPage {
    let mut page = DocsPage::default();
    let mut bytes = 0_usize;
    let mut rest = pages.after(request.cursor.as_deref()).peekable();
    while let Some((path, source)) = rest.next() {
        let document = source.into_document(&request.library, path);
        bytes = bytes.saturating_add(document.text.len());
        let is_full = page.documents.len() + 1 >= request.limit.max(1) || bytes >= MAX_PAGE_BYTES;
        if is_full && rest.peek().is_some() {
            page.next = Some(document.path.clone());
        }
        page.documents.push(document);
        if is_full {
            break;
        }
    }
    page
}
