//! The calls themselves: one request each, or a few where a library has moved.

mod follow;
mod legacy;

use std::sync::Arc;

use contexter_http::{Api, Auth, Reply, Request};
use contexter_model::{Error, ErrorKind, Library, LibraryId, ResolveLibrary};
use contexter_service::Service;

use crate::answer::{Answer, Judge};
use crate::failure::Failure;
use crate::pulse::Pulse;
use crate::query::{cut_to_limit, within_limit};
use crate::{
    Config, Content, Context, FetchContext, FoundLibraries, SearchContext, SearchLibraries,
};

pub use self::follow::MAX_MOVES;

/// The name of the service in errors, events and configuration.
pub(crate) const NAME: &str = "context7";

/// The names of the operations in errors and events.
pub(crate) mod operation {
    pub(crate) const HEALTH_CHECK: &str = "health_check";
    pub(crate) const SEARCH_LIBRARIES: &str = "search_libraries";
    pub(crate) const FETCH_CONTEXT: &str = "fetch_context";
    pub(crate) const SEARCH_CONTEXT: &str = "search_context";
    pub(crate) const READ_LEGACY: &str = "read_legacy";
    pub(crate) const SEARCH_LEGACY: &str = "search_legacy";
}

/// The largest reply that is read, in bytes: 16 MiB. The service sends some hundred KiB.
const MAX_BODY: u64 = 16 << 20;

/// Context7 without anything around it.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    api: Api,
    judge: Judge,
    pulse: Pulse,
}

impl Client {
    pub(crate) fn new(config: &Config, http: &contexter_http::Client) -> Result<Self, Error> {
        let auth = match &config.api_key {
            Some(key) => Auth::Bearer(key.expose().to_owned()),
            None => Auth::None,
        };
        let api = Api::new(http, config.base_url.trim().trim_end_matches('/'), auth)
            .map_err(|error| error.with_service(NAME))?
            .with_service(NAME)
            .with_max_body(MAX_BODY);
        Ok(Self {
            inner: Arc::new(Inner {
                judge: Judge::new(config).with_secrets(api.secrets().clone()),
                api,
                pulse: Pulse::new(config.health_interval),
            }),
        })
    }

    pub(crate) fn base_url(&self) -> &str {
        self.inner.api.base_url()
    }

    pub(crate) fn pulse(&self) -> &Pulse {
        &self.inner.pulse
    }

    /// Asks something that the service must refuse as incomplete: whoever is refused so has been let
    /// in, and nothing was looked up.
    pub(crate) async fn probe(&self) -> Result<(), Error> {
        let reply = self
            .inner
            .api
            .get("v2/libs/search")
            .operation(operation::HEALTH_CHECK)
            .send()
            .await?;
        let answer = answer(&reply);
        let refused_as_incomplete = matches!(answer.status, 400 | 422) && !answer.is_html();
        if refused_as_incomplete || (answer.status == 200 && !answer.is_html()) {
            return Ok(());
        }
        let failure = self.inner.judge.failure(&answer, "the health check");
        if failure.code() == Some("no_libraries_found") {
            return Ok(());
        }
        Err(sign(failure.into_error(), operation::HEALTH_CHECK, &reply))
    }

    /// Sends a request and reads what comes; the outcome tells of the health of the service.
    async fn ask<T>(
        &self,
        operation: &'static str,
        request: Request,
        read: impl FnOnce(&Reply) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let reply = match request.operation(operation).send().await {
            Ok(reply) => reply,
            Err(error) => {
                self.inner.pulse.heard(Err(&error));
                return Err(error.into());
            }
        };
        if reply.header("x-context7-auth-prompt") == Some("1") {
            tracing::info!(
                service = NAME,
                operation,
                "the service asks anonymous callers to sign in"
            );
        }
        let read = read(&reply).map_err(|failure| failure.map(|e| sign(e, operation, &reply)));
        self.inner.pulse.heard(match &read {
            Ok(_) => Ok(()),
            Err(failure) if is_about_one_library(&reply, failure) => Ok(()),
            Err(failure) => Err(failure.error()),
        });
        read
    }

    fn get(&self, path: &str) -> Request {
        self.inner.api.get(path)
    }
}

fn answer(reply: &Reply) -> Answer<'_> {
    Answer::new(reply.status(), reply.bytes())
        .content_type(reply.content_type())
        .waits(reply.retry_after(), reply.rate_limit().reset)
}

fn sign(error: Error, operation: &'static str, reply: &Reply) -> Error {
    let error = error.with_service(NAME).with_operation(operation);
    match reply.request_id() {
        Some(id) => error.with_request_id(id),
        None => error,
    }
}

/// Names the operation of an error that was found before anything was sent.
fn before(operation: &'static str) -> impl Fn(Error) -> Error {
    move |error| error.with_service(NAME).with_operation(operation)
}

/// Adds a parameter that is sent only where it is not the default.
fn with_flag(request: Request, name: &str, set: bool) -> Request {
    if set {
        request.query(name, "true")
    } else {
        request
    }
}

fn with_number(request: Request, name: &str, number: Option<u32>) -> Request {
    match number {
        Some(number) => request.query(name, number),
        None => request,
    }
}

impl Service<SearchLibraries> for Client {
    type Response = FoundLibraries;
    type Error = Error;

    async fn call(&self, req: SearchLibraries) -> Result<FoundLibraries, Error> {
        const OPERATION: &str = operation::SEARCH_LIBRARIES;
        let name = within_limit("name of the library", &req.name).map_err(before(OPERATION))?;
        let query =
            cut_to_limit(req.query.as_deref().unwrap_or(name)).map_err(before(OPERATION))?;
        let request = self
            .get("v2/libs/search")
            .query("libraryName", name)
            .query("query", query);
        let subject = format!("{name:?}");
        self.ask(OPERATION, with_flag(request, "fast", req.fast), |reply| {
            self.inner.judge.libraries(&answer(reply), &subject)
        })
        .await
        .map(warned)
        .map_err(Failure::into_error)
    }
}

/// Tells of results that cannot be used.
fn warned(found: FoundLibraries) -> FoundLibraries {
    if found.unreadable > 0 {
        tracing::warn!(
            service = NAME,
            unreadable = found.unreadable,
            "results without the id of a library were left out"
        );
    }
    found
}

impl Service<FetchContext> for Client {
    type Response = Context;
    type Error = Error;

    async fn call(&self, req: FetchContext) -> Result<Context, Error> {
        const OPERATION: &str = operation::FETCH_CONTEXT;
        let query = cut_to_limit(&req.query).map_err(before(OPERATION))?;
        let ask = |id: LibraryId| async move {
            let request = self
                .get("v2/context")
                .query("libraryId", &id)
                .query("query", query)
                .query("type", req.form.parameter());
            self.ask(OPERATION, with_flag(request, "fast", req.fast), |reply| {
                let read = self
                    .inner
                    .judge
                    .context(&answer(reply), req.form, id.as_str());
                match read {
                    // A known library that has nothing to say about it is an answer.
                    Err(failure) if failure.says_nothing_found() => Ok(Content::empty(req.form)),
                    read => read,
                }
            })
            .await
        };
        let followed = self
            .follow(OPERATION, &req.library, req.tag_fallback, ask)
            .await?;
        Ok(Context {
            library: followed.library,
            fell_back: followed.fell_back,
            content: followed.value.cut_to(req.max_tokens),
        })
    }
}

impl Service<SearchContext> for Client {
    type Response = Content;
    type Error = Error;

    async fn call(&self, req: SearchContext) -> Result<Content, Error> {
        const OPERATION: &str = operation::SEARCH_CONTEXT;
        req.check().map_err(before(OPERATION))?;
        let query = cut_to_limit(&req.query).map_err(before(OPERATION))?;
        let mut request = self.get("v3/search").query("query", query);
        for library in &req.libraries {
            let library = within_limit("name of a library", library).map_err(before(OPERATION))?;
            request = request.query("library", library);
        }
        for (name, value) in [("version", &req.version), ("language", &req.language)] {
            if let Some(value) = value {
                let value = within_limit(name, value).map_err(before(OPERATION))?;
                request = request.query(name, value);
            }
        }
        let subject = if req.libraries.is_empty() {
            "the documentation of all libraries".to_owned()
        } else {
            format!("{:?}", req.libraries)
        };
        let request = request.query("type", req.form.parameter());
        self.ask(OPERATION, request, |reply| {
            self.inner.judge.search(&answer(reply), req.form, &subject)
        })
        .await
        .map(|content| content.cut_to(req.max_tokens))
        .map_err(Failure::into_error)
    }
}

/// The libraries of a name in the terms of the model: those whose documentation can be fetched.
pub(crate) fn resolved(found: FoundLibraries, request: &ResolveLibrary) -> Vec<Library> {
    found
        .libraries
        .into_iter()
        .filter(crate::FoundLibrary::is_ready)
        .take(request.limit)
        .map(Library::from)
        .collect()
}

/// Whether the caller may not read what it asked about, which tells nothing about its key.
fn is_about_one_library(reply: &Reply, failure: &Failure) -> bool {
    reply.status() == 403
        && failure.error().kind() == ErrorKind::Unauthorized
        && failure.code() != Some("invalid_api_key")
}
