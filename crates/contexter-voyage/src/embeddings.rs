//! Embeddings of texts.

use std::ops::Range;

use contexter_model::{Error, ErrorKind, Purpose, Usage};
use contexter_service::Capability;
use serde::Serialize;

use crate::arriving::{self, VectorRequest};
use crate::divisible::{Divisible, row, sum, text_cost};
use crate::element::Element;
use crate::fault::Fault;
use crate::intake::Intake;
use crate::options::{VectorOptions, WireOptions, with_vector_options};
use crate::packing::Cost;
use crate::reading::{self, Row};
use crate::tokens::TokenEstimate;
use crate::{Dtype, ModelKind, Transport, Vectors};

/// Embeds texts, with everything that the vendor lets one choose.
///
/// | option | default |
/// |---|---|
/// | `model` | that of the configuration: by `purpose` its model for documents or for queries |
/// | `truncation` | `true`: what is too long is cut |
/// | `dimension` | that of the configuration if the model shares its space with the configuration's, else that of the model |
/// | `dtype` | [`Dtype::Float`] |
/// | `transport` | [`Transport::Base64`] |
///
/// The purpose has to be chosen: the vendor puts other words before a query than before a document,
/// and leaving them out costs quality. Vectors of all purposes may be compared.
///
/// Source: <https://docs.voyageai.com/reference/embeddings-api>.
///
/// # Examples
///
/// ```
/// use contexter_model::Purpose;
/// use contexter_voyage::{Dtype, EmbedTexts};
///
/// let request = EmbedTexts::new(["a text", "another"], Purpose::Document)
///     .with_model("voyage-4-large")
///     .with_dimension(256)
///     .with_dtype(Dtype::Ubinary);
/// assert_eq!(request.texts().len(), 2);
/// assert_eq!(request.model(), Some("voyage-4-large"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmbedTexts {
    texts: Vec<String>,
    truncation: bool,
    pub(crate) options: VectorOptions,
}

impl EmbedTexts {
    /// Asks for the vectors of texts, with the defaults above.
    pub fn new<T: Into<String>>(
        texts: impl IntoIterator<Item = T>,
        purpose: impl Into<Option<Purpose>>,
    ) -> Self {
        Self {
            texts: texts.into_iter().map(Into::into).collect(),
            truncation: true,
            options: VectorOptions::new(purpose.into()),
        }
    }

    /// Returns the texts.
    #[must_use]
    pub fn texts(&self) -> &[String] {
        &self.texts
    }

    /// Sets whether a text that is too long is cut; otherwise it is refused.
    #[must_use]
    pub fn with_truncation(mut self, truncation: bool) -> Self {
        self.truncation = truncation;
        self
    }

    /// Writes the body of the request.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] for a request without a model.
    pub fn write_body(&self) -> Result<Vec<u8>, Error> {
        let model = self
            .model()
            .ok_or_else(|| Error::new(ErrorKind::Invalid, "the request names no model"))?;
        serde_json::to_vec(&self.body(model)).map_err(|error| {
            Error::new(
                ErrorKind::Unexpected,
                "the request cannot be written as JSON",
            )
            .with_source(error)
        })
    }

    pub(crate) fn body<'a>(&'a self, model: &'a str) -> Body<'a> {
        Body {
            input: &self.texts,
            truncation: self.truncation,
            options: self.options.wire(model),
        }
    }

    /// Reads the body of a reply to this request: as the adapter does, also for a reply that came by
    /// other ways.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Protocol`] for anything but one vector for each text, with all its values, each
    /// of them finite.
    pub fn read_reply(&self, body: &[u8]) -> Result<TextEmbeddings, Error> {
        arriving::read(self, body)
    }
}

with_vector_options!(EmbedTexts);

impl Capability for EmbedTexts {
    const NAME: &'static str = "voyage_embeddings";
    type Response = TextEmbeddings;
    type Error = Error;
}

/// The reply to [`EmbedTexts`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TextEmbeddings {
    /// One vector for each text, in order.
    pub vectors: Vectors,
    /// The model, as the vendor names it.
    pub model: String,
    /// What the request used.
    pub usage: Usage,
}

/// What is sent.
#[derive(Debug, Serialize)]
pub(crate) struct Body<'a> {
    input: &'a [String],
    truncation: bool,
    #[serde(flatten)]
    options: WireOptions<'a>,
}

impl VectorRequest for EmbedTexts {
    type Reply = TextEmbeddings;

    const KIND: ModelKind = ModelKind::Text;

    fn options(&self) -> &VectorOptions {
        &self.options
    }

    fn read<E: Element>(
        &self,
        arrived: Intake<E>,
        make: fn(Vec<Vec<E>>) -> Vectors,
    ) -> Result<TextEmbeddings, Fault> {
        let envelope = reading::read::<Row<E>>(arrived, Some(self.texts.len()))?;
        let vectors = envelope.parts.into_iter().map(|row| row.values).collect();
        Ok(TextEmbeddings {
            vectors: make(vectors),
            model: self.options.model_of(envelope.model),
            usage: envelope.counted.usage(),
        })
    }
}

impl Divisible for EmbedTexts {
    type Reply = TextEmbeddings;

    const ITEM: &'static str = "text";

    fn items(&self) -> usize {
        self.texts.len()
    }

    fn cost(&self, index: usize, tokens: &TokenEstimate) -> Cost {
        text_cost(self.texts.get(index), tokens)
    }

    fn truncates(&self) -> bool {
        self.truncation
    }

    fn part(&self, range: Range<usize>) -> Self {
        Self {
            texts: row(&self.texts, range),
            truncation: self.truncation,
            options: self.options.clone(),
        }
    }

    fn join(&self, parts: Vec<(usize, TextEmbeddings)>) -> TextEmbeddings {
        let usage = sum(parts.iter().map(|(_, part)| part.usage));
        let mut vectors = Vectors::none(self.options.dtype);
        let mut model = self.options.model_of(None);
        for (_, part) in parts {
            vectors.append(part.vectors);
            model = part.model;
        }
        TextEmbeddings {
            vectors,
            model,
            usage,
        }
    }

    fn used(reply: &TextEmbeddings) -> u64 {
        reply.usage.tokens
    }
}
