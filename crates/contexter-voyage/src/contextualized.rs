//! Embeddings of chunks that know the document they are from.

use std::ops::Range;

use contexter_model::{Error, ErrorKind, Purpose, Usage};
use contexter_service::Capability;
use serde::Serialize;

use crate::arriving::{self, VectorRequest};
use crate::divisible::{Divisible, row, sum};
use crate::element::Element;
use crate::fault::Fault;
use crate::intake::Intake;
use crate::limits::{MAX_CHUNK_SIZE, MAX_CONTEXT_CHUNKS};
use crate::options::{VectorOptions, WireOptions, with_vector_options};
use crate::packing::Cost;
use crate::reading::{self, Row, in_order};
use crate::tokens::TokenEstimate;
use crate::{Dtype, ModelKind, Transport, Vectors};

/// Embeds the chunks of documents, each in the light of its whole document.
///
/// A document is never cut into two requests. It has room for 32,000 tokens, and nothing is cut: one
/// that is too long is [`ErrorKind::TooLarge`].
///
/// | option | default |
/// |---|---|
/// | `model` | that of the configuration |
/// | `dimension` | 1,024 |
/// | `dtype` | [`Dtype::Float`] |
/// | `transport` | [`Transport::Base64`] |
/// | `chunking` | none: the chunks are those of the request |
///
/// Source: <https://docs.voyageai.com/reference/contextualized-embeddings-api>.
///
/// # Examples
///
/// ```
/// use contexter_model::Purpose;
/// use contexter_voyage::EmbedChunks;
///
/// let request = EmbedChunks::documents([vec!["first chunk", "second"], vec!["a document"]]);
/// assert_eq!(request.chunks().len(), 2);
/// let query = EmbedChunks::queries(["what is it?"]);
/// assert_eq!(query.purpose(), Some(Purpose::Query));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmbedChunks {
    documents: Vec<Vec<String>>,
    chunking: Option<Chunking>,
    pub(crate) options: VectorOptions,
}

/// How the vendor makes chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Chunking {
    /// The tokens of a chunk, at most 32,000; the vendor's default is 512.
    pub size: u32,
    /// The tokens that a chunk shares with the one before; fewer than `size`.
    pub overlap: u32,
}

impl Default for Chunking {
    /// The vendor's default: 512 tokens without overlap.
    fn default() -> Self {
        Self {
            size: 512,
            overlap: 0,
        }
    }
}

impl Chunking {
    /// Chunks of so many tokens, which share `overlap` with the one before.
    #[must_use]
    pub const fn new(size: u32, overlap: u32) -> Self {
        Self { size, overlap }
    }
}

impl EmbedChunks {
    /// Asks for the vectors of the chunks of documents.
    pub fn documents<C: Into<String>>(
        documents: impl IntoIterator<Item = impl IntoIterator<Item = C>>,
    ) -> Self {
        let documents = documents
            .into_iter()
            .map(|chunks| chunks.into_iter().map(Into::into).collect())
            .collect();
        Self::new(documents, Purpose::Document)
    }

    /// Asks for the vectors of queries.
    pub fn queries<C: Into<String>>(queries: impl IntoIterator<Item = C>) -> Self {
        let queries = queries
            .into_iter()
            .map(|query| vec![query.into()])
            .collect();
        Self::new(queries, Purpose::Query)
    }

    fn new(documents: Vec<Vec<String>>, purpose: Purpose) -> Self {
        Self {
            documents,
            chunking: None,
            options: VectorOptions::new(Some(purpose)),
        }
    }

    /// Returns the chunks of each document; of queries, one of one chunk each.
    #[must_use]
    pub fn chunks(&self) -> &[Vec<String>] {
        &self.documents
    }

    /// Lets the vendor make the chunks, of documents of one text each.
    #[must_use]
    pub fn with_chunking(mut self, chunking: Chunking) -> Self {
        self.chunking = Some(chunking);
        self
    }

    /// Checks what the vendor would refuse.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let invalid = |message: String| Err(Error::new(ErrorKind::Invalid, message));
        let not_single = self.documents.iter().position(|chunks| chunks.len() != 1);
        if let Some(empty) = self.documents.iter().position(Vec::is_empty) {
            return invalid(format!(
                "document {empty} has no chunks, expected at least one"
            ));
        }
        if let Some(index) = self
            .documents
            .iter()
            .position(|chunks| chunks.len() > MAX_CONTEXT_CHUNKS)
        {
            let message = format!("document {index} has more than {MAX_CONTEXT_CHUNKS} chunks");
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        let Some(Chunking { size, overlap }) = self.chunking else {
            return Ok(());
        };
        if self.purpose() != Some(Purpose::Document) {
            return invalid("only documents can be cut into chunks by the vendor".to_owned());
        }
        if let Some(index) = not_single {
            return invalid(format!(
                "document {index} has several chunks, expected one text for the vendor to cut"
            ));
        }
        if !(1..=MAX_CHUNK_SIZE).contains(&size) || overlap >= size {
            return invalid(format!(
                "chunks of {size} tokens that share {overlap} are not possible, expected 1 to \
                 {MAX_CHUNK_SIZE} tokens that share fewer"
            ));
        }
        Ok(())
    }

    pub(crate) fn body<'a>(&'a self, model: &'a str) -> Body<'a> {
        Body {
            inputs: &self.documents,
            options: self.options.wire(model),
            enable_auto_chunking: self.chunking.is_some(),
            chunk_size: self.chunking.map(|chunking| chunking.size),
            chunk_overlap: self.chunking.map(|chunking| chunking.overlap),
        }
    }

    /// Reads the body of a reply to this request: as the adapter does, also for a reply that came by
    /// other ways.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Protocol`] for anything but one vector for each chunk of each document, with all
    /// its values, each of them finite; where the vendor makes the chunks, each also with its text, or
    /// none with one.
    pub fn read_reply(&self, body: &[u8]) -> Result<ChunkEmbeddings, Error> {
        arriving::read(self, body)
    }
}

with_vector_options!(EmbedChunks);

impl Capability for EmbedChunks {
    const NAME: &'static str = "voyage_contextualized_embeddings";
    type Response = ChunkEmbeddings;
    type Error = Error;
}

/// The reply to [`EmbedChunks`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ChunkEmbeddings {
    /// The documents, in order.
    pub documents: Vec<EmbeddedDocument>,
    /// The model, as the vendor names it.
    pub model: String,
    /// The version of what made the chunks, where the vendor did.
    pub chunker_version: Option<String>,
    /// What the request used.
    pub usage: Usage,
}

/// The chunks of one document.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct EmbeddedDocument {
    /// One vector for each chunk, in order.
    pub vectors: Vectors,
    /// The texts of the chunks, where the vendor made them.
    pub texts: Option<Vec<String>>,
}

/// What is sent. Whether the vendor makes the chunks is always said: its default has been doubted.
#[derive(Debug, Serialize)]
pub(crate) struct Body<'a> {
    inputs: &'a [Vec<String>],
    #[serde(flatten)]
    options: WireOptions<'a>,
    enable_auto_chunking: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    chunk_size: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    chunk_overlap: Option<u32>,
}

impl VectorRequest for EmbedChunks {
    type Reply = ChunkEmbeddings;

    const KIND: ModelKind = ModelKind::Contextualized;

    fn options(&self) -> &VectorOptions {
        &self.options
    }

    fn read<E: Element>(
        &self,
        arrived: Intake<E>,
        make: fn(Vec<Vec<E>>) -> Vectors,
    ) -> Result<ChunkEmbeddings, Fault> {
        let count = Some(self.documents.len());
        let envelope = reading::read::<Vec<(u64, Row<E>)>>(arrived, count)?;
        let mut documents = Vec::with_capacity(envelope.parts.len());
        let mut with_texts = None;
        for (rows, asked) in envelope.parts.into_iter().zip(&self.documents) {
            let count = self.chunking.is_none().then_some(asked.len());
            let rows = in_order(rows, count)?;
            let mut texts = Vec::new();
            let mut vectors = Vec::with_capacity(rows.len());
            for row in rows {
                if *with_texts.get_or_insert(row.text.is_some()) != row.text.is_some() {
                    return Err(Fault::SomeTexts);
                }
                texts.extend(row.text);
                vectors.push(row.values);
            }
            documents.push(EmbeddedDocument {
                vectors: make(vectors),
                texts: (with_texts == Some(true)).then_some(texts),
            });
        }
        Ok(ChunkEmbeddings {
            documents,
            model: self.options.model_of(envelope.model),
            chunker_version: envelope.chunker_version,
            usage: envelope.counted.usage(),
        })
    }
}

impl Divisible for EmbedChunks {
    type Reply = ChunkEmbeddings;

    const ITEM: &'static str = "document";

    fn items(&self) -> usize {
        self.documents.len()
    }

    fn cost(&self, index: usize, tokens: &TokenEstimate) -> Cost {
        let chunks = self.documents.get(index).map(Vec::as_slice);
        let chunks = chunks.unwrap_or_default();
        let mut cost = chunks.iter().fold(Cost::default(), |cost, chunk| {
            let (most, likely, bytes) = tokens.of(chunk);
            Cost {
                most: cost.most.saturating_add(most),
                likely: cost.likely.saturating_add(likely),
                bytes: cost.bytes.saturating_add(bytes),
                payload: cost.payload.saturating_add(bytes),
                units: cost.units + 1,
                kind: None,
            }
        });
        if let Some(Chunking { size, overlap }) = self.chunking {
            // Each chunk brings so many new tokens.
            let step = u64::from(size.saturating_sub(overlap).max(1));
            let made = cost.most.div_ceil(step).max(1);
            cost.units = usize::try_from(made).unwrap_or(usize::MAX);
            let again = u64::from(overlap).saturating_mul(made);
            cost.most = cost.most.saturating_add(again);
        }
        cost
    }

    fn truncates(&self) -> bool {
        false
    }

    fn part(&self, range: Range<usize>) -> Self {
        Self {
            documents: row(&self.documents, range),
            chunking: self.chunking,
            options: self.options.clone(),
        }
    }

    fn join(&self, parts: Vec<(usize, ChunkEmbeddings)>) -> ChunkEmbeddings {
        let usage = sum(parts.iter().map(|(_, part)| part.usage));
        let mut joined = ChunkEmbeddings {
            documents: Vec::with_capacity(self.documents.len()),
            model: self.options.model_of(None),
            chunker_version: None,
            usage,
        };
        for (_, part) in parts {
            joined.documents.extend(part.documents);
            joined.model = part.model;
            joined.chunker_version = joined.chunker_version.or(part.chunker_version);
        }
        joined
    }

    fn used(reply: &ChunkEmbeddings) -> u64 {
        reply.usage.tokens
    }
}
