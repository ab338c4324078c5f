//! Embeddings of texts, images and videos together.

use std::ops::Range;

use contexter_model::{Error, ErrorKind, Purpose};
use contexter_service::Capability;
use serde::Serialize;

use crate::arriving::{self, VectorRequest};
use crate::divisible::{Divisible, row};
use crate::element::Element;
use crate::fault::Fault;
use crate::intake::Intake;
use crate::limits::{MAX_BILLED_PIXELS, MAX_IMAGE_BYTES, PIXELS_PER_TOKEN};
use crate::media::{Content, Wire};
use crate::options::{VectorOptions, WireOptions, with_vector_options};
use crate::packing::{Cost, ItemKind};
use crate::reading::{self, Counted, Row};
use crate::tokens::TokenEstimate;
use crate::{Dtype, Model, ModelKind, Transport, Vectors};

/// Embeds inputs of texts, images and videos, one vector for each input.
///
/// | option | default |
/// |---|---|
/// | `model` | that of the configuration |
/// | `truncation` | `true`: what is too long is cut |
/// | `dimension` | that of the model; can be chosen from version 3.5 on |
/// | `dtype` | [`Dtype::Float`]; can be chosen from version 3.5 on |
/// | `transport` | [`Transport::List`]: under which name base64 is asked for is not certain |
///
/// Images on the web and images that are sent do not go into one request; inputs are kept apart for
/// it, and an input that mixes them is refused.
///
/// Source: <https://docs.voyageai.com/reference/multimodal-embeddings-api>.
///
/// # Examples
///
/// ```
/// use contexter_model::Purpose;
/// use contexter_voyage::{Content, EmbedMultimodal};
///
/// let wiring = vec![
///     Content::text("A wiring diagram"),
///     Content::image_url("https://example.org/a.jpg"),
/// ];
/// let request = EmbedMultimodal::new(vec![wiring], Purpose::Document);
/// assert_eq!(request.inputs().len(), 1);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct EmbedMultimodal {
    inputs: Vec<Vec<Content>>,
    truncation: bool,
    pub(crate) options: VectorOptions,
}

impl EmbedMultimodal {
    /// Asks for the vectors of inputs, with the defaults above.
    pub fn new(inputs: Vec<Vec<Content>>, purpose: impl Into<Option<Purpose>>) -> Self {
        Self {
            inputs,
            truncation: true,
            options: VectorOptions::new(purpose.into()),
        }
        .with_transport(Transport::List)
    }

    /// Returns the contents of each input.
    #[must_use]
    pub fn inputs(&self) -> &[Vec<Content>] {
        &self.inputs
    }

    /// Sets whether an input that is too long is cut; otherwise it is refused.
    #[must_use]
    pub fn with_truncation(mut self, truncation: bool) -> Self {
        self.truncation = truncation;
        self
    }

    /// Checks what the vendor would refuse.
    pub(crate) fn check(&self, model: &Model) -> Result<(), Error> {
        for (index, contents) in self.inputs.iter().enumerate() {
            // The models with one length of vector are those before version 3.5.
            if !model.is_flexible() && contents.iter().any(Content::is_video) {
                return Err(Error::new(
                    ErrorKind::Invalid,
                    format!(
                        "input {index} has a video, which {} cannot read",
                        model.name
                    ),
                ));
            }
            if contents.is_empty() {
                return Err(Error::new(
                    ErrorKind::Invalid,
                    format!("input {index} is empty, expected a text, an image or a video"),
                ));
            }
            let has = |kind| contents.iter().any(|content| content.kind() == Some(kind));
            if has(ItemKind::Url) && has(ItemKind::Inline) {
                return Err(Error::new(
                    ErrorKind::Invalid,
                    format!("input {index} has contents by url and as bytes, expected one of them"),
                ));
            }
            if let Some(bytes) = contents
                .iter()
                .filter_map(Content::bytes)
                .find(|bytes| *bytes > MAX_IMAGE_BYTES)
            {
                return Err(Error::new(
                    ErrorKind::TooLarge,
                    format!(
                        "input {index} has {bytes} bytes in one content, at most \
                         {MAX_IMAGE_BYTES} are allowed"
                    ),
                ));
            }
        }
        Ok(())
    }

    pub(crate) fn body<'a>(&'a self, model: &'a str) -> Body<'a> {
        let inputs = self.inputs.iter().map(|contents| Input {
            content: contents.iter().map(Content::wire).collect(),
        });
        Body {
            inputs: inputs.collect(),
            truncation: self.truncation,
            options: self.options.wire(model),
        }
    }

    /// Reads the body of a reply to this request: as the adapter does, also for a reply that came by
    /// other ways.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Protocol`] for anything but one vector for each input, with all its values, each
    /// of them finite.
    pub fn read_reply(&self, body: &[u8]) -> Result<MultimodalEmbeddings, Error> {
        arriving::read(self, body)
    }
}

with_vector_options!(EmbedMultimodal);

impl Capability for EmbedMultimodal {
    const NAME: &'static str = "voyage_multimodal_embeddings";
    type Response = MultimodalEmbeddings;
    type Error = Error;
}

/// The reply to [`EmbedMultimodal`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct MultimodalEmbeddings {
    /// One vector for each input, in order.
    pub vectors: Vectors,
    /// The model, as the vendor names it.
    pub model: String,
    /// What the request used.
    pub usage: MultimodalUsage,
}

/// What a request with images used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MultimodalUsage {
    /// Tokens of texts.
    pub text_tokens: u64,
    /// Pixels of images.
    pub image_pixels: u64,
    /// Pixels of videos.
    pub video_pixels: u64,
    /// Tokens of everything.
    pub tokens: u64,
}

impl From<Counted> for MultimodalUsage {
    fn from(counted: Counted) -> Self {
        Self {
            text_tokens: counted.text_tokens.unwrap_or(0),
            image_pixels: counted.image_pixels.unwrap_or(0),
            video_pixels: counted.video_pixels.unwrap_or(0),
            tokens: counted.total_tokens.unwrap_or(0),
        }
    }
}

impl MultimodalUsage {
    fn plus(self, other: Self) -> Self {
        Self {
            text_tokens: self.text_tokens.saturating_add(other.text_tokens),
            image_pixels: self.image_pixels.saturating_add(other.image_pixels),
            video_pixels: self.video_pixels.saturating_add(other.video_pixels),
            tokens: self.tokens.saturating_add(other.tokens),
        }
    }
}

/// What is sent.
#[derive(Debug, Serialize)]
pub(crate) struct Body<'a> {
    inputs: Vec<Input<'a>>,
    truncation: bool,
    #[serde(flatten)]
    options: WireOptions<'a>,
}

#[derive(Debug, Serialize)]
struct Input<'a> {
    content: Vec<Wire<'a>>,
}

impl VectorRequest for EmbedMultimodal {
    type Reply = MultimodalEmbeddings;

    const KIND: ModelKind = ModelKind::Multimodal;

    fn options(&self) -> &VectorOptions {
        &self.options
    }

    fn read<E: Element>(
        &self,
        arrived: Intake<E>,
        make: fn(Vec<Vec<E>>) -> Vectors,
    ) -> Result<MultimodalEmbeddings, Fault> {
        let envelope = reading::read::<Row<E>>(arrived, Some(self.inputs.len()))?;
        let vectors = envelope.parts.into_iter().map(|row| row.values).collect();
        Ok(MultimodalEmbeddings {
            vectors: make(vectors),
            model: self.options.model_of(envelope.model),
            usage: envelope.counted.into(),
        })
    }
}

impl Divisible for EmbedMultimodal {
    type Reply = MultimodalEmbeddings;

    const ITEM: &'static str = "input";

    fn items(&self) -> usize {
        self.inputs.len()
    }

    /// An image counts by its pixels where they are known, and else as the largest that is billed; a
    /// video as what fills the model.
    fn cost(&self, index: usize, tokens: &TokenEstimate) -> Cost {
        let contents = self.inputs.get(index).map(Vec::as_slice);
        let start = Cost {
            units: 1,
            ..Cost::default()
        };
        let contents = contents.unwrap_or_default().iter();
        contents.fold(start, |cost, content| {
            let (most, likely, bytes) = match content {
                Content::Text(text) => tokens.of(text),
                Content::ImageUrl(_) | Content::Image(_) => {
                    let pixels = content.pixels().unwrap_or(MAX_BILLED_PIXELS);
                    let counted = pixels.min(MAX_BILLED_PIXELS).div_ceil(PIXELS_PER_TOKEN);
                    (counted, counted, 0)
                }
                Content::VideoUrl(_) | Content::Video { .. } => (VIDEO_TOKENS, VIDEO_TOKENS, 0),
            };
            Cost {
                most: cost.most.saturating_add(most),
                likely: cost.likely.saturating_add(likely),
                bytes: cost.bytes.saturating_add(bytes),
                payload: cost.payload.saturating_add(content.payload()),
                units: 1,
                kind: cost.kind.or(content.kind()),
            }
        })
    }

    fn truncates(&self) -> bool {
        self.truncation
    }

    fn part(&self, range: Range<usize>) -> Self {
        Self {
            inputs: row(&self.inputs, range),
            truncation: self.truncation,
            options: self.options.clone(),
        }
    }

    fn join(&self, parts: Vec<(usize, MultimodalEmbeddings)>) -> MultimodalEmbeddings {
        let mut joined = MultimodalEmbeddings {
            vectors: Vectors::none(self.options.dtype),
            model: self.options.model_of(None),
            usage: MultimodalUsage::default(),
        };
        for (_, part) in parts {
            joined.vectors.append(part.vectors);
            joined.model = part.model;
            joined.usage = joined.usage.plus(part.usage);
        }
        joined
    }

    fn used(reply: &MultimodalEmbeddings) -> u64 {
        reply.usage.tokens
    }

    fn text_tokens(reply: &MultimodalEmbeddings) -> u64 {
        reply.usage.text_tokens
    }
}

/// A video is assumed to fill the model: how it is counted is not documented.
const VIDEO_TOKENS: u64 = 32_000;
