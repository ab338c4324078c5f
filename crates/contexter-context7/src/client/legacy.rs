//! The calls of earlier versions of the interface.

use contexter_http::Request;
use contexter_model::{Error, LibraryId};
use contexter_service::Service;

use super::{Client, answer, before, operation, warned, with_number};
use crate::failure::Failure;
use crate::query::{cut_to_limit, within_limit};
use crate::{
    Content, Context7Id, Form, FoundLibraries, LegacyDocs, LegacyEndpoint, LegacyVersion, Paging,
    ReadLegacy, SearchLegacy, wire,
};

impl Service<ReadLegacy> for Client {
    type Response = LegacyDocs;
    type Error = Error;

    async fn call(&self, req: ReadLegacy) -> Result<LegacyDocs, Error> {
        const OPERATION: &str = operation::READ_LEGACY;
        req.check().map_err(before(OPERATION))?;
        let topic = match &req.topic {
            Some(topic) => Some(cut_to_limit(topic).map_err(before(OPERATION))?),
            None => None,
        };
        let ask = |id: LibraryId| async move {
            let request = self.legacy(&id, req.endpoint, req.form, topic);
            self.ask(OPERATION, request, |reply| {
                let paging = Paging::of(|name| reply.header(name));
                let content = match req.form {
                    Form::Text => self
                        .inner
                        .judge
                        .context(&answer(reply), Form::Text, id.as_str()),
                    Form::Json => self
                        .inner
                        .judge
                        .json(&answer(reply), id.as_str())
                        .and_then(|json| {
                            let judge = &self.inner.judge;
                            wire::legacy(&json).map_err(|why| {
                                crate::failure::malformed(judge, &answer(reply), &why)
                            })
                        })
                        .map(Content::Snippets),
                };
                Ok((content?, paging))
            })
            .await
        };
        let followed = self
            .follow(OPERATION, &req.library, req.tag_fallback, ask)
            .await?;
        let (content, paging) = followed.value;
        Ok(LegacyDocs {
            library: followed.library,
            fell_back: followed.fell_back,
            content,
            paging,
        })
    }
}

impl Client {
    fn legacy(
        &self,
        library: &LibraryId,
        endpoint: LegacyEndpoint,
        form: Form,
        topic: Option<&str>,
    ) -> Request {
        let path = match endpoint {
            LegacyEndpoint::V1 { .. } => "v1",
            LegacyEndpoint::CodeV2 { .. } => "v2/docs/code",
            LegacyEndpoint::InfoV2 { .. } => "v2/docs/info",
        };
        let id = Context7Id::from(library.clone());
        let mut request = self.get(path);
        for segment in id.legacy_segments() {
            request = request.segment(segment);
        }
        request = request.query("type", form.parameter());
        if let Some(topic) = topic {
            request = request.query("topic", topic);
        }
        match endpoint {
            LegacyEndpoint::V1 { tokens } => with_number(request, "tokens", tokens),
            LegacyEndpoint::CodeV2 { page, limit } | LegacyEndpoint::InfoV2 { page, limit } => {
                with_number(with_number(request, "page", page), "limit", limit)
            }
        }
    }
}

impl Service<SearchLegacy> for Client {
    type Response = FoundLibraries;
    type Error = Error;

    async fn call(&self, req: SearchLegacy) -> Result<FoundLibraries, Error> {
        const OPERATION: &str = operation::SEARCH_LEGACY;
        let query = within_limit("query", &req.query).map_err(before(OPERATION))?;
        let path = match req.version {
            LegacyVersion::V1 => "v1/search",
            LegacyVersion::V2 => "v2/search",
        };
        let subject = format!("{query:?}");
        self.ask(OPERATION, self.get(path).query("query", query), |reply| {
            self.inner.judge.libraries(&answer(reply), &subject)
        })
        .await
        .map(warned)
        .map_err(Failure::into_error)
    }
}
