//! A question as the service sees it: what one answer stands for, and what is cut from it here.

use contexter_model::{Error, LibraryId};
use contexter_service::{Capability, Handle, Service};

use crate::query::cut_to_limit;
use crate::{
    Content, Context, Context7Id, FetchContext, ReadLegacy, SearchContext, SearchLegacy,
    SearchLibraries,
};

/// A request whose answer is kept.
pub(crate) trait Asked: Capability {
    /// Returns the request that stands for all that get the same answer: without what is done here,
    /// and with one spelling of what means the same.
    fn asked(&self) -> Self;
}

impl Asked for FetchContext {
    fn asked(&self) -> Self {
        Self {
            library: one_spelling(&self.library),
            query: as_sent(&self.query),
            // Without a version there is none to fall back from.
            tag_fallback: self.tag_fallback && self.library.version().is_some(),
            max_tokens: None,
            ..self.clone()
        }
    }
}

impl Asked for SearchContext {
    fn asked(&self) -> Self {
        Self {
            query: as_sent(&self.query),
            max_tokens: None,
            ..self.clone()
        }
    }
}

impl Asked for SearchLibraries {
    fn asked(&self) -> Self {
        Self {
            name: self.name.trim().to_owned(),
            // What is sent where nothing is said.
            query: Some(as_sent(self.query.as_deref().unwrap_or(&self.name))),
            ..self.clone()
        }
    }
}

impl Asked for ReadLegacy {
    fn asked(&self) -> Self {
        Self {
            library: one_spelling(&self.library),
            topic: self.topic.as_deref().map(as_sent),
            tag_fallback: self.tag_fallback && self.library.version().is_some(),
            ..self.clone()
        }
    }
}

impl Asked for SearchLegacy {
    fn asked(&self) -> Self {
        Self {
            query: self.query.trim().to_owned(),
            ..self.clone()
        }
    }
}

/// A query as it is sent; one that cannot be sent stays as it is.
fn as_sent(query: &str) -> String {
    cut_to_limit(query).unwrap_or(query).to_owned()
}

/// `/owner/name@version` and `/owner/name/version` are the same library.
fn one_spelling(id: &LibraryId) -> LibraryId {
    let Some(version) = id.version() else {
        return id.clone();
    };
    Context7Id::from(id.clone())
        .with_version(version)
        .map_or_else(|_no_id| id.clone(), LibraryId::from)
}

/// Asks for the whole answer, which may be kept, and cuts it to what the caller wants of it.
#[derive(Clone, Debug)]
pub(crate) struct Whole<Req: Capability>(pub(crate) Handle<Req>);

impl Service<FetchContext> for Whole<FetchContext> {
    type Response = Context;
    type Error = Error;

    async fn call(&self, mut request: FetchContext) -> Result<Context, Error> {
        let max_tokens = request.max_tokens.take();
        let mut context = self.0.call(request).await?;
        context.content = context.content.cut_to(max_tokens);
        Ok(context)
    }
}

impl Service<SearchContext> for Whole<SearchContext> {
    type Response = Content;
    type Error = Error;

    async fn call(&self, mut request: SearchContext) -> Result<Content, Error> {
        let max_tokens = request.max_tokens.take();
        Ok(self.0.call(request).await?.cut_to(max_tokens))
    }
}
