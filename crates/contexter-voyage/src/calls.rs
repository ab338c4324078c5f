//! The calls of the adapter: what the configuration adds to a request, and where it goes.

use std::collections::BTreeMap;
use std::sync::Arc;

use contexter_model::{
    CountTokens, DescribeSpace, Embed, EmbeddingSpace, Embeddings, Error, ErrorKind, Purpose,
    Rerank, Reranked, SpaceKind,
};
use contexter_resilience::StandardStack;
use contexter_service::Service;
use parking_lot::Mutex;

use crate::client::{Client, NAME};
use crate::limits::{
    MAX_CONTEXT_CHUNKS, MAX_CONTEXT_DOCUMENTS, MAX_MULTIMODAL_INPUTS, MAX_REPLY_BYTES,
    MAX_REQUEST_BYTES, MAX_RERANK_DOCUMENTS,
};
use crate::options::VectorOptions;
use crate::packing::Caps;
use crate::tokens::TokenEstimate;
use crate::{
    ChunkEmbeddings, Config, Dtype, EmbedChunks, EmbedMultimodal, EmbedTexts, Lane, Model,
    ModelKind, MultimodalEmbeddings, Packed, RerankTexts, TextEmbeddings, Transport,
};

/// Models that are not in the table share a lane under this name, one for each kind.
const UNKNOWN: &str = "";

/// What a probe takes of the quota of tokens: a word and what the vendor adds to it.
const PROBE_TOKENS: u32 = 16;

/// Everything that the calls share.
#[derive(Clone, Debug)]
pub(crate) struct Calls {
    inner: Arc<Inner>,
}

struct Inner {
    config: Arc<Config>,
    client: Client,
    /// The one stack that the user gave.
    stack: Option<StandardStack>,
    counter: Option<Arc<dyn CountTokens>>,
    lanes: Mutex<Lanes>,
}

#[derive(Default)]
struct Lanes {
    /// Bounded by the table of models.
    by_model: BTreeMap<(String, u8), Arc<Lane>>,
    closed: bool,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inner")
            .field("config", &self.config)
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}

impl Calls {
    pub(crate) fn new(
        config: Arc<Config>,
        client: Client,
        stack: Option<StandardStack>,
        counter: Option<Arc<dyn CountTokens>>,
    ) -> Self {
        let stack = stack.map(|stack| stack.named(NAME));
        Self {
            inner: Arc::new(Inner {
                config,
                client,
                stack,
                counter,
                lanes: Mutex::default(),
            }),
        }
    }

    pub(crate) fn config(&self) -> &Config {
        &self.inner.config
    }

    pub(crate) fn client(&self) -> &Client {
        &self.inner.client
    }

    /// The stack around the embedding of documents.
    pub(crate) fn embedding_stack(&self) -> Result<StandardStack, Error> {
        let lane = self.lane(&self.config().embedding_model())?;
        Ok(lane.stack().clone())
    }

    pub(crate) fn token_counter(&self) -> Arc<dyn CountTokens> {
        if let Some(counter) = &self.inner.counter {
            return Arc::clone(counter);
        }
        match self.lane(&self.config().embedding_model()) {
            Ok(lane) => Arc::new(move |text: &str| lane.tokens().count(text)),
            Err(_) => Arc::new(TokenEstimate::new()),
        }
    }

    pub(crate) fn space(&self) -> EmbeddingSpace {
        let model = self.config().embedding_model();
        let dimension = self.config().output_dimension.or(model.default_dimension());
        EmbeddingSpace {
            id: model.family.into_owned(),
            dimensions: dimension.map_or(0, |dimension| dimension as usize),
            max_tokens: usize::try_from(model.context).unwrap_or(usize::MAX),
            kind: SpaceKind::Semantic,
        }
    }

    /// Embeds one word: the smallest request that shows that embedding works. It is not repeated, and it
    /// does not wait for the quota.
    pub(crate) async fn probe(&self) -> Result<(), Error> {
        let model = Model::named(self.model_for(Purpose::Query), ModelKind::Text);
        if let Some(quota) = self.lane(&model)?.stack().rate_limiter() {
            quota.try_acquire(PROBE_TOKENS)?;
        }
        self.client().call(self.word()).await.map(drop)
    }

    fn word(&self) -> EmbedTexts {
        let mut word = EmbedTexts::new(["ok"], None);
        word.options.model = Some(self.model_for(Purpose::Query).to_owned());
        let flexible = self.config().embedding_model().is_flexible();
        word.options.dimension = self.config().output_dimension.filter(|_| flexible);
        word
    }

    pub(crate) fn close(&self) {
        let mut lanes = self.inner.lanes.lock();
        lanes.closed = true;
        for lane in lanes.by_model.values() {
            lane.close();
        }
    }

    fn model_for(&self, purpose: Purpose) -> &str {
        let config = self.config();
        match (purpose, &config.query_model) {
            (Purpose::Query, Some(model)) => model,
            _ => &config.model,
        }
    }

    /// Returns what calls of a model share.
    fn lane(&self, model: &Model) -> Result<Arc<Lane>, Error> {
        let name = if model.is_known() {
            &*model.name
        } else {
            UNKNOWN
        };
        let key = (name.to_owned(), model.kind as u8);
        let mut lanes = self.inner.lanes.lock();
        if let Some(lane) = lanes.by_model.get(&key) {
            return Ok(Arc::clone(lane));
        }
        let lane = Arc::new(self.make_lane(model)?);
        if lanes.closed {
            lane.close();
        }
        lanes.by_model.insert(key, Arc::clone(&lane));
        Ok(lane)
    }

    fn make_lane(&self, model: &Model) -> Result<Lane, Error> {
        let config = self.config();
        let stack = match &self.inner.stack {
            Some(stack) => stack.clone(),
            None => StandardStack::new(config.stack_of(model))
                .map_err(|faults| {
                    Error::new(
                        ErrorKind::Invalid,
                        format!("the settings do not work: {faults}"),
                    )
                })?
                .named(NAME),
        };
        // A tokenizer counts for the models of its family only.
        let tokens = match &self.inner.counter {
            Some(counter) if model.shares_space_with(&config.embedding_model()) => {
                TokenEstimate::exact(Arc::clone(counter))
            }
            _ => TokenEstimate::new(),
        };
        Ok(Lane::new(stack, caps(model, config.max_batch))
            .with_tokens(tokens)
            .with_concurrent(config.max_concurrent))
    }

    async fn packed<Req>(&self, model: &Model, request: Req) -> Result<Req::Reply, Error>
    where
        Req: crate::Divisible,
        Client: Service<Req, Response = Req::Reply, Error = Error>,
    {
        let lane = self.lane(model)?;
        Packed::new(self.client().clone(), lane).call(request).await
    }

    /// Puts the length of the configuration into a request of its own model, and checks what is
    /// asked for.
    fn checked(
        &self,
        model: &Model,
        kind: ModelKind,
        dimension: Option<u32>,
        dtype: Dtype,
    ) -> Result<Option<u32>, Error> {
        let invalid = |message: String| Err(Error::new(ErrorKind::Invalid, message));
        if model.kind != kind {
            return invalid(format!("the model {} cannot be asked for this", model.name));
        }
        let own =
            kind == ModelKind::Text && model.shares_space_with(&self.config().embedding_model());
        let configured = self.config().output_dimension.filter(|_| own);
        let dimension = dimension.or(configured);
        if let Some(asked) = dimension.filter(|dimension| !model.has_dimension(*dimension)) {
            return invalid(format!(
                "the model {} has no vectors of {asked} dimensions, expected one of {:?}",
                model.name, model.dimensions
            ));
        }
        if dtype != Dtype::Float && !model.is_flexible() {
            return invalid(format!(
                "the model {} has no values of type {}, expected float",
                model.name,
                dtype.as_str()
            ));
        }
        // Only models that offer several lengths know the parameter.
        Ok(dimension.filter(|_| model.is_flexible()))
    }

    /// Puts what the configuration says into a request, and checks what is asked for.
    fn prepare(
        &self,
        options: &mut VectorOptions,
        kind: ModelKind,
        default: &str,
    ) -> Result<Model, Error> {
        let name = options.model.get_or_insert_with(|| default.to_owned());
        let model = Model::named(name, kind);
        options.dimension = self.checked(&model, kind, options.dimension, options.dtype)?;
        Ok(model)
    }
}

/// What one request of a model may have.
fn caps(model: &Model, max_batch: usize) -> Caps {
    let items = match model.kind {
        ModelKind::Text => max_batch,
        ModelKind::Rerank => MAX_RERANK_DOCUMENTS,
        ModelKind::Contextualized => MAX_CONTEXT_DOCUMENTS,
        ModelKind::Multimodal => MAX_MULTIMODAL_INPUTS,
    };
    // However they are asked for, the vectors of one reply have to fit the most that is read of it.
    let largest = model.dimensions.iter().copied().max().unwrap_or(2_048);
    let bytes = Transport::List.bytes(Dtype::Float, largest) as u64;
    let units = usize::try_from(MAX_REPLY_BYTES / bytes).unwrap_or(usize::MAX);
    let units = match model.kind {
        ModelKind::Rerank => usize::MAX,
        _ => units.min(MAX_CONTEXT_CHUNKS),
    };
    Caps::new(items, model.request_tokens)
        .units(units)
        .payload(MAX_REQUEST_BYTES)
        .context(model.context)
}

impl Service<Embed> for Calls {
    type Response = Embeddings;
    type Error = Error;

    async fn call(&self, request: Embed) -> Result<Embeddings, Error> {
        let reply = self
            .call(EmbedTexts::new(request.texts, request.purpose))
            .await?;
        let usage = reply.usage;
        let vectors = reply.vectors.into_float().ok_or_else(|| {
            Error::new(ErrorKind::Unexpected, "the vectors are no floats").or_of(NAME, "embed")
        })?;
        Ok(Embeddings { vectors, usage })
    }
}

impl Service<DescribeSpace> for Calls {
    type Response = EmbeddingSpace;
    type Error = Error;

    async fn call(&self, _request: DescribeSpace) -> Result<EmbeddingSpace, Error> {
        Ok(self.space())
    }
}

impl Service<EmbedTexts> for Calls {
    type Response = TextEmbeddings;
    type Error = Error;

    async fn call(&self, mut request: EmbedTexts) -> Result<TextEmbeddings, Error> {
        let called = async {
            let purpose = request.purpose().unwrap_or(Purpose::Document);
            let default = self.model_for(purpose);
            let model = self.prepare(&mut request.options, ModelKind::Text, default)?;
            self.packed(&model, request).await
        };
        called.await.map_err(|error| error.or_of(NAME, "embed"))
    }
}

impl Service<Rerank> for Calls {
    type Response = Reranked;
    type Error = Error;

    async fn call(&self, request: Rerank) -> Result<Reranked, Error> {
        self.call(RerankTexts::new(request)).await
    }
}

impl Service<RerankTexts> for Calls {
    type Response = Reranked;
    type Error = Error;

    async fn call(&self, mut request: RerankTexts) -> Result<Reranked, Error> {
        let name = request
            .model
            .get_or_insert_with(|| self.config().rerank_model.clone());
        let model = Model::named(name, ModelKind::Rerank);
        let checked = self.checked(&model, ModelKind::Rerank, None, Dtype::Float);
        checked.map_err(|error| error.or_of(NAME, "rerank"))?;
        if request.order.limit == Some(0) {
            return Ok(Reranked::default());
        }
        self.packed(&model, request)
            .await
            .map_err(|error| error.or_of(NAME, "rerank"))
    }
}

impl Service<EmbedChunks> for Calls {
    type Response = ChunkEmbeddings;
    type Error = Error;

    async fn call(&self, mut request: EmbedChunks) -> Result<ChunkEmbeddings, Error> {
        let called = async {
            request.check()?;
            let (kind, default) = (ModelKind::Contextualized, &self.config().context_model);
            let model = self.prepare(&mut request.options, kind, default)?;
            self.packed(&model, request).await
        };
        called
            .await
            .map_err(|error| error.or_of(NAME, "embed_chunks"))
    }
}

impl Service<EmbedMultimodal> for Calls {
    type Response = MultimodalEmbeddings;
    type Error = Error;

    async fn call(&self, mut request: EmbedMultimodal) -> Result<MultimodalEmbeddings, Error> {
        let called = async {
            let (kind, default) = (ModelKind::Multimodal, &self.config().multimodal_model);
            let model = self.prepare(&mut request.options, kind, default)?;
            request.check(&model)?;
            self.packed(&model, request).await
        };
        called
            .await
            .map_err(|error| error.or_of(NAME, "embed_multimodal"))
    }
}
