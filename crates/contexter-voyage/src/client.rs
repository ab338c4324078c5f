//! One request to the vendor, and what came of it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use contexter_http::{
    Api, Auth, Client as Http, Config as HttpConfig, Incoming, Reply, Request, Secrets,
};
use contexter_model::{Error, ErrorKind, Reranked};
use contexter_service::{Clock as _, DefaultClock, Service};
use serde::Serialize;

use crate::account::{Account, UsageSnapshot};
use crate::arriving::{Arriving, VectorRequest};
use crate::endpoint::has_surcharge;
use crate::failure::{self, Asked};
use crate::limits::MAX_REPLY_BYTES;
use crate::{
    ChunkEmbeddings, Config, EmbedChunks, EmbedMultimodal, EmbedTexts, Model, ModelKind,
    MultimodalEmbeddings, RerankTexts, TextEmbeddings, Tier, rerank,
};

/// The name of the service.
pub(crate) const NAME: &str = "voyage_ai";

/// No reply is read for longer, and only files of results come near it.
const LONGEST_DOWNLOAD: Duration = Duration::from_hours(12);

/// One request with a file in it, or the next line of one, may take this long.
pub(crate) const TRANSFER_TIMEOUT: Duration = Duration::from_mins(10);

/// The API with the key. Every call is one request.
#[derive(Clone)]
pub(crate) struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    /// For calls, whose replies are JSON.
    api: Api,
    /// For the content of files, which ends where the connection says so.
    transfers: Api,
    tier: Tier,
    account: Account,
}

impl Client {
    /// Reaches the API by `http`, or by clients of its own.
    pub(crate) fn new(config: &Config, http: Option<&Http>) -> Result<Self, Error> {
        let (calls, transfers) = if let Some(http) = http {
            (http.clone(), http.clone())
        } else {
            // The vendor is silent while it computes. What bounds the whole is the stack.
            let settings = HttpConfig::default().total_timeout(LONGEST_DOWNLOAD);
            // Vectors are many bytes, and HTTP/2 bounds what is read ahead of them.
            let calls = settings.clone().http2().read_timeout(config.timeout);
            // It is silent for as long as a file is on its way to it, too.
            let silence = config.timeout.max(TRANSFER_TIMEOUT);
            (
                Http::new(&calls)?,
                Http::new(&settings.read_timeout(silence))?,
            )
        };
        let api = |http: &Http| {
            let key = config.api_key.expose().to_owned();
            let api = Api::new(http, config.endpoint(), Auth::Bearer(key))?;
            Ok::<_, Error>(api.with_service(NAME).with_max_body(MAX_REPLY_BYTES))
        };
        let account = Account::new(has_surcharge(config.endpoint()));
        Ok(Self {
            inner: Arc::new(Inner {
                api: api(&calls)?,
                transfers: api(&transfers)?,
                tier: config.tier,
                account,
            }),
        })
    }

    /// Returns the API of everything but the content of files.
    pub(crate) fn api(&self) -> &Api {
        &self.inner.api
    }

    /// Returns the API of what has the content of a file in it.
    pub(crate) fn transfers(&self) -> &Api {
        &self.inner.transfers
    }

    /// What no error may hold.
    pub(crate) fn secrets(&self) -> &Secrets {
        self.inner.api.secrets()
    }

    pub(crate) fn account(&self) -> &Account {
        &self.inner.account
    }

    pub(crate) fn usage(&self) -> UsageSnapshot {
        self.inner.account.snapshot()
    }

    /// Sends a request and reads what the vendor refuses.
    pub(crate) async fn send(&self, request: Request, model: &str) -> Result<Reply, Error> {
        let mut answer = self.inner.account.awaits(model);
        let outcome = request.send().await;
        answer.came(outcome.as_ref().ok().map(Reply::status));
        self.accept(outcome?, model)
    }

    /// Sends a request for a file, which is to be read as it arrives.
    pub(crate) async fn open(&self, request: Request) -> Result<Incoming, Error> {
        let outcome = request.open().await;
        let status = outcome.as_ref().ok().map(Incoming::status);
        self.inner.account.answered("", status);
        let incoming = outcome?;
        if incoming.is_success() {
            return Ok(incoming);
        }
        let refusal = incoming.max_body(MAX_REPLY_BYTES).whole().await?;
        let refusal = self.accept(refusal, "");
        Err(refusal.map_or_else(|error| error, |reply| reply.error("")))
    }

    /// Sends a request for vectors and reads them as they arrive.
    async fn vectors<R: VectorRequest, B: Serialize>(
        &self,
        path: &str,
        operation: &'static str,
        model: &str,
        request: &R,
        body: &B,
    ) -> Result<R::Reply, Error> {
        let sent = self.inner.api.post(path).operation(operation).json(body);
        let mut arriving = Arriving::new(request);
        let mut answer = self.inner.account.awaits(model);
        let outcome = arrived(sent, &mut arriving).await;
        answer.came(outcome.as_ref().ok().map(Reply::status));
        let reply = self.accept(outcome?, model)?;
        arriving
            .finish(request)
            .map_err(|error| unreadable(&reply, &error))
    }

    fn accept(&self, reply: Reply, model: &str) -> Result<Reply, Error> {
        if reply.is_success() {
            return Ok(reply);
        }
        let asked = Asked {
            model,
            base_url: self.inner.api.base_url(),
            secrets: self.secrets(),
            tier: self.inner.tier,
        };
        Err(failure::of_reply(&reply, asked))
    }

    async fn post<B: Serialize>(
        &self,
        path: &str,
        operation: &'static str,
        model: &str,
        body: &B,
    ) -> Result<Reply, Error> {
        let request = self.inner.api.post(path).operation(operation).json(body);
        self.send(request, model).await
    }

    fn used(&self, model: &str, kind: ModelKind, tokens: u64, pixels: u64) {
        let model = Model::named(model, kind);
        self.account()
            .used(&model, tokens, pixels, DefaultClock.now());
    }
}

/// Sends a request and takes in what arrives, if it is a success; all but that is returned.
async fn arrived(request: Request, arriving: &mut Arriving) -> Result<Reply, Error> {
    let mut incoming = request.open().await?;
    if incoming.is_success() {
        while let Some(piece) = incoming.chunk().await? {
            arriving.push(&piece);
        }
    }
    incoming.whole().await
}

/// Puts to an error what is known of the reply that it was read from.
pub(crate) fn unreadable(reply: &Reply, error: &Error) -> Error {
    let named = |kind: &str| kind.to_ascii_lowercase().contains("json");
    match reply.content_type() {
        Some(kind) if !named(kind) => reply.error_of(
            ErrorKind::Protocol,
            format!("{}, of type {kind}", error.message()),
        ),
        _ => reply.error_of(ErrorKind::Protocol, error.message()),
    }
}

/// Returns the model of a request; the adapter has put in that of the configuration by now.
fn named(model: Option<&str>) -> Result<&str, Error> {
    model.ok_or_else(|| {
        Error::new(ErrorKind::Invalid, "the request names no model").with_service(NAME)
    })
}

impl Service<EmbedTexts> for Client {
    type Response = TextEmbeddings;
    type Error = Error;

    async fn call(&self, request: EmbedTexts) -> Result<TextEmbeddings, Error> {
        let model = named(request.model())?;
        let body = request.body(model);
        let read = self
            .vectors("embeddings", "embed", model, &request, &body)
            .await?;
        self.used(model, ModelKind::Text, read.usage.tokens, 0);
        Ok(read)
    }
}

impl Service<RerankTexts> for Client {
    type Response = Reranked;
    type Error = Error;

    async fn call(&self, request: RerankTexts) -> Result<Reranked, Error> {
        let model = named(request.model.as_deref())?;
        let body = request.body(model);
        let reply = self.post("rerank", "rerank", model, &body).await?;
        let documents = request.order.documents.len();
        let read =
            rerank::read(reply.bytes(), documents, request.order.limit).map_err(|fault| {
                unreadable(&reply, &Error::new(ErrorKind::Protocol, fault.to_string()))
            })?;
        self.used(model, ModelKind::Rerank, read.usage.tokens, 0);
        Ok(read)
    }
}

impl Service<EmbedChunks> for Client {
    type Response = ChunkEmbeddings;
    type Error = Error;

    async fn call(&self, request: EmbedChunks) -> Result<ChunkEmbeddings, Error> {
        let model = named(request.model())?;
        let body = request.body(model);
        let read = self
            .vectors(
                "contextualizedembeddings",
                "embed_chunks",
                model,
                &request,
                &body,
            )
            .await?;
        self.used(model, ModelKind::Contextualized, read.usage.tokens, 0);
        Ok(read)
    }
}

impl Service<EmbedMultimodal> for Client {
    type Response = MultimodalEmbeddings;
    type Error = Error;

    async fn call(&self, request: EmbedMultimodal) -> Result<MultimodalEmbeddings, Error> {
        let model = named(request.model())?;
        let body = request.body(model);
        let read = self
            .vectors(
                "multimodalembeddings",
                "embed_multimodal",
                model,
                &request,
                &body,
            )
            .await?;
        let usage = read.usage;
        let pixels = usage.image_pixels.saturating_add(usage.video_pixels);
        // Tokens of pixels are paid for as pixels.
        self.used(model, ModelKind::Multimodal, usage.text_tokens, pixels);
        Ok(read)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("base_url", &self.inner.api.base_url())
            .field("tier", &self.inner.tier)
            .finish_non_exhaustive()
    }
}
