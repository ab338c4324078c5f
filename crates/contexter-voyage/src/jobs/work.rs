//! What a batch job is made of.

use std::collections::BTreeMap;

use contexter_http::Secrets;
use contexter_model::{Error, ErrorKind, Reranked};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::jobs::lines;
use crate::limits::MAX_JOB_INPUTS;
use crate::{
    ChunkEmbeddings, EmbedChunks, EmbedTexts, ModelKind, RerankTexts, TextEmbeddings, rerank,
};

/// A request that can be a line of a batch job.
pub trait JobRequest: Send + Sync {
    /// What answers a line.
    type Reply: Send;

    /// What its lines ask.
    const ENDPOINT: &'static str;

    /// The kind of its models.
    const KIND: ModelKind;

    /// Returns the model; a job has to name one.
    fn model(&self) -> Option<&str>;

    /// Returns how many inputs count to the limit of a job.
    fn inputs(&self) -> usize;

    /// Returns the whole body of a request, as JSON.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] for a request without a model, or which the vendor would refuse.
    fn to_json(&self) -> Result<Map<String, Value>, Error>;

    /// Reads a reply to the request.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Protocol`] for one that is not as documented.
    fn read(&self, body: &[u8]) -> Result<Self::Reply, Error>;

    /// Returns how many tokens the vendor counted.
    fn used(reply: &Self::Reply) -> u64;
}

/// What each line of a job says for itself; the rest is said once.
const OF_LINES: [&str; 4] = ["input", "inputs", "query", "documents"];

fn to_json(body: &impl Serialize) -> Result<Map<String, Value>, Error> {
    match serde_json::to_value(body) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) | Err(_) => Err(Error::new(
            ErrorKind::Unexpected,
            "the request cannot be written as JSON",
        )),
    }
}

fn named(model: Option<&str>) -> Result<&str, Error> {
    model.ok_or_else(|| Error::new(ErrorKind::Invalid, "the request names no model"))
}

impl JobRequest for EmbedTexts {
    type Reply = TextEmbeddings;

    const ENDPOINT: &'static str = "/v1/embeddings";
    const KIND: ModelKind = ModelKind::Text;

    fn model(&self) -> Option<&str> {
        Self::model(self)
    }

    fn inputs(&self) -> usize {
        self.texts().len()
    }

    fn to_json(&self) -> Result<Map<String, Value>, Error> {
        to_json(&self.body(named(JobRequest::model(self))?))
    }

    fn read(&self, body: &[u8]) -> Result<TextEmbeddings, Error> {
        self.read_reply(body)
    }

    fn used(reply: &TextEmbeddings) -> u64 {
        reply.usage.tokens
    }
}

impl JobRequest for EmbedChunks {
    type Reply = ChunkEmbeddings;

    const ENDPOINT: &'static str = "/v1/contextualizedembeddings";
    const KIND: ModelKind = ModelKind::Contextualized;

    fn model(&self) -> Option<&str> {
        Self::model(self)
    }

    fn inputs(&self) -> usize {
        self.chunks().len()
    }

    fn to_json(&self) -> Result<Map<String, Value>, Error> {
        self.check()?;
        to_json(&self.body(named(JobRequest::model(self))?))
    }

    fn read(&self, body: &[u8]) -> Result<ChunkEmbeddings, Error> {
        self.read_reply(body)
    }

    fn used(reply: &ChunkEmbeddings) -> u64 {
        reply.usage.tokens
    }
}

impl JobRequest for RerankTexts {
    type Reply = Reranked;

    const ENDPOINT: &'static str = "/v1/rerank";
    const KIND: ModelKind = ModelKind::Rerank;

    fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    fn inputs(&self) -> usize {
        self.order.documents.len()
    }

    fn to_json(&self) -> Result<Map<String, Value>, Error> {
        let mut body = to_json(&self.body(named(JobRequest::model(self))?))?;
        // It would be one for all lines, and more than some have documents: the limit is kept to here.
        body.remove("top_k");
        Ok(body)
    }

    fn read(&self, body: &[u8]) -> Result<Reranked, Error> {
        let mut reply = rerank::read(body, self.order.documents.len(), None)
            .map_err(|fault| Error::new(ErrorKind::Protocol, fault.to_string()))?;
        reply
            .ranking
            .truncate(self.order.limit.unwrap_or(usize::MAX));
        Ok(reply)
    }

    fn used(reply: &Reranked) -> u64 {
        reply.usage.tokens
    }
}

/// The lines of a batch job: requests under ids of one's own, that differ in nothing but their
/// texts.
///
/// # Examples
///
/// ```
/// use contexter_model::Purpose;
/// use contexter_voyage::{EmbedTexts, Work};
///
/// let line = |text: &str| EmbedTexts::new([text], Purpose::Document).with_model("voyage-4");
/// let work = Work::new([("doc-1", line("first")), ("doc-2", line("second"))])?
///     .with_metadata("run", "7");
/// assert_eq!(work.lines().len(), 2);
/// assert!(Work::new([("doc-1", line("first")), ("doc-1", line("second"))]).is_err());
/// # Ok::<(), contexter_model::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Work<R> {
    lines: BTreeMap<String, R>,
    metadata: BTreeMap<String, String>,
}

impl<R: JobRequest> Work<R> {
    /// Takes up lines, each under its id.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] for no line, or two under one id; [`ErrorKind::TooLarge`] for more
    /// than 100,000 inputs in all lines.
    pub fn new<I: Into<String>>(lines: impl IntoIterator<Item = (I, R)>) -> Result<Self, Error> {
        let mut by_id = BTreeMap::new();
        let mut inputs = 0_usize;
        for (id, request) in lines {
            let id = id.into();
            inputs = inputs.saturating_add(request.inputs());
            if inputs > MAX_JOB_INPUTS {
                return Err(Error::new(
                    ErrorKind::TooLarge,
                    format!("a job has more than {MAX_JOB_INPUTS} inputs"),
                ));
            }
            if by_id.contains_key(&id) {
                return Err(Error::new(
                    ErrorKind::Invalid,
                    format!("two lines of a job have the id {id:?}"),
                ));
            }
            by_id.insert(id, request);
        }
        if by_id.is_empty() {
            return Err(Error::new(ErrorKind::Invalid, "a job has no lines"));
        }
        Ok(Self {
            lines: by_id,
            metadata: BTreeMap::new(),
        })
    }

    /// Notes something with the job, such as where it came from; a job has at most 16 entries.
    #[must_use]
    pub fn with_metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.insert(key.into(), value.into());
        self
    }

    /// Returns the lines by their ids.
    #[must_use]
    pub fn lines(&self) -> &BTreeMap<String, R> {
        &self.lines
    }

    /// Reads line `number` of a file of results or of failures, as it is in [`Jobs::content`], for files
    /// that are kept: the id, and what became of that line. Of `secrets`, such as the key that the file was asked
    /// for with, nothing is repeated.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Protocol`] for a line that cannot be joined with these, with `number` in the message.
    ///
    /// # Examples
    ///
    /// ```
    /// use contexter_http::Secrets;
    /// use contexter_model::{ErrorKind, Purpose};
    /// use contexter_voyage::{EmbedTexts, Work};
    ///
    /// let work = Work::new([("a", EmbedTexts::new(["one"], Purpose::Document))])?;
    /// let secrets = Secrets::new(["gateway-key"]);
    /// let line = br#"{"custom_id": "a", "error": {"code": "batch_expired", "message": "gateway-key"}}"#;
    /// let (id, outcome) = work.read_line(1, line, &secrets)?;
    /// let error = outcome.unwrap_err();
    /// assert_eq!((id, error.kind()), ("a", ErrorKind::Timeout));
    /// assert_eq!(error.message(), "batch_expired: [redacted]");
    /// assert!(work.read_line(2, b"{}", &secrets).is_err());
    /// # Ok::<(), contexter_model::Error>(())
    /// ```
    ///
    /// [`Jobs::content`]: crate::Jobs::content
    pub fn read_line(
        &self,
        number: u64,
        line: &[u8],
        secrets: &Secrets,
    ) -> Result<(&str, Result<R::Reply, Error>), Error> {
        lines::read(self, number, line, secrets)
    }

    pub(crate) fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// Returns the model of all lines.
    pub(crate) fn model(&self) -> Option<&str> {
        self.lines.values().next()?.model()
    }

    /// Writes the lines, and returns what is the same in all of them.
    pub(crate) fn write(&self) -> Result<(Vec<u8>, Map<String, Value>), Error> {
        let mut file = Vec::new();
        let mut shared: Option<Map<String, Value>> = None;
        for (id, request) in &self.lines {
            let (own, rest): (Map<_, _>, Map<_, _>) = request
                .to_json()?
                .into_iter()
                .partition(|(key, _)| OF_LINES.contains(&key.as_str()));
            if *shared.get_or_insert_with(|| rest.clone()) != rest {
                return Err(Error::new(
                    ErrorKind::Invalid,
                    format!(
                        "the line {id:?} of a job differs from the first in more than its texts"
                    ),
                ));
            }
            let line = serde_json::json!({ "custom_id": id, "body": own });
            serde_json::to_writer(&mut file, &line).map_err(|error| {
                Error::new(ErrorKind::Unexpected, "a line cannot be written as JSON")
                    .with_source(error)
            })?;
            file.push(b'\n');
        }
        Ok((file, shared.unwrap_or_default()))
    }
}
