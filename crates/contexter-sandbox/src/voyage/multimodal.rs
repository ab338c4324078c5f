//! `POST /multimodalembeddings`, <https://docs.voyageai.com/reference/multimodal-embeddings-api>.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::Value;

use crate::voyage::embeddings::Embedding;
use crate::voyage::encoding::Shape;
use crate::voyage::fields::{self, Fields, InputType};
use crate::voyage::offers::Model;
use crate::voyage::refusal::Refusal;
use crate::voyage::tokens;
use crate::voyage::work::{List, Vectors};

/// How many pixels an image has at most.
const MAX_PIXELS: u64 = 16_000_000;
/// How many bytes an image or a video has at most.
const MAX_BYTES: usize = 20 << 20;
/// How many pixels make one token.
const PIXELS_PER_TOKEN: u64 = 560;
/// Between these, images are billed by their pixels (pricing page).
const BILLED_PIXELS: std::ops::RangeInclusive<u64> = 50_000..=2_000_000;
/// What an image counts that is only named: the sandbox fetches nothing.
const PIXELS_OF_A_URL: u64 = 1_000_000;
/// What a video counts, whatever it holds: the sandbox decodes none.
const PIXELS_OF_A_VIDEO: u64 = 2_000_000;
/// The one model that takes no videos and has no other dimensions.
const WITHOUT_VIDEO: &str = "voyage-multimodal-3";

/// Inputs, each as a text that stands for all that it holds.
#[derive(Debug)]
pub(super) struct Multimodal {
    texts: Vec<String>,
    shape: Shape,
    counted: Counted,
}

/// What inputs hold.
#[derive(Clone, Copy, Debug, Default)]
struct Counted {
    text_tokens: u64,
    image_pixels: u64,
    video_pixels: u64,
}

impl Counted {
    fn tokens(self) -> u64 {
        self.text_tokens + (self.image_pixels + self.video_pixels) / PIXELS_PER_TOKEN
    }
}

pub(super) fn check(mut fields: Fields, model: &Model) -> Result<(u64, Multimodal), Refusal> {
    let Value::Array(inputs) = fields.required("inputs")? else {
        return Err(Refusal::malformed("inputs", "value is not a valid list"));
    };
    fields::check_count("inputs", inputs.len())?;
    let input_type = InputType::take(&mut fields)?;
    let truncation = fields.flag("truncation", true)?;
    let shape = Shape::take(&mut fields, model)?;
    fields.end()?;

    let prompt = input_type.map_or(0, |input_type| tokens::count(input_type.prompt()));
    let mut counted = Counted::default();
    let mut texts = Vec::with_capacity(inputs.len());
    let mut sources = Sources::default();
    for (index, input) in inputs.into_iter().enumerate() {
        let (text, mut own) = read_input(input, model, &mut sources)?;
        own.text_tokens += prompt;
        if own.tokens() > model.context {
            if !truncation {
                let what = format!("The input at index {index} in your batch");
                return Err(Refusal::too_long(&what, model.context, own.tokens()));
            }
            // Text goes first; an input of images alone that is too large cannot be cut.
            let excess = own.tokens() - model.context;
            own.text_tokens = own.text_tokens.saturating_sub(excess);
        }
        counted.text_tokens += own.text_tokens;
        counted.image_pixels += own.image_pixels;
        counted.video_pixels += own.video_pixels;
        texts.push(text);
    }
    if sources.urls && sources.base64 {
        return Err(Refusal::invalid(
            "Images and videos of a request must be all URLs or all base64, not both.",
        ));
    }
    let job = Multimodal {
        texts,
        shape,
        counted,
    };
    Ok((counted.tokens(), job))
}

/// Which ways of sending images a request uses.
#[derive(Default)]
struct Sources {
    urls: bool,
    base64: bool,
}

fn read_input(
    input: Value,
    model: &Model,
    sources: &mut Sources,
) -> Result<(String, Counted), Refusal> {
    let Value::Object(input) = input else {
        return Err(Refusal::malformed("inputs", "value is not a valid dict"));
    };
    let mut input = Fields::of(input);
    let Value::Array(parts) = input.required("content")? else {
        return Err(Refusal::malformed("content", "value is not a valid list"));
    };
    input.end()?;
    if parts.is_empty() {
        return Err(Refusal::invalid("The list 'content' cannot be empty."));
    }
    let mut text = String::new();
    let mut counted = Counted::default();
    for part in parts {
        let Value::Object(part) = part else {
            return Err(Refusal::malformed("content", "value is not a valid dict"));
        };
        let (said, own) = read_part(Fields::of(part), model, sources)?;
        text.push_str(&said);
        text.push('\n');
        counted.text_tokens += own.text_tokens;
        counted.image_pixels += own.image_pixels;
        counted.video_pixels += own.video_pixels;
    }
    Ok((text, counted))
}

/// Returns a text that stands for the part, and what it counts.
fn read_part(
    mut part: Fields,
    model: &Model,
    sources: &mut Sources,
) -> Result<(String, Counted), Refusal> {
    let kind = part.text("type")?;
    if kind.starts_with("video") && model.name == WITHOUT_VIDEO {
        return Err(Refusal::invalid(format!(
            "Content type '{kind}' is not supported by model '{}'.",
            model.name
        )));
    }
    let mut counted = Counted::default();
    let said = match kind.as_str() {
        "text" => {
            let text = part.text("text")?;
            counted.text_tokens = tokens::count(&text);
            text
        }
        "image_url" | "video_url" => {
            let url = part.text(&kind)?;
            if !(url.starts_with("https://") || url.starts_with("http://")) {
                return Err(Refusal::invalid(format!("{kind} is not a valid URL.")));
            }
            sources.urls = true;
            if kind == "image_url" {
                counted.image_pixels = PIXELS_OF_A_URL;
            } else {
                counted.video_pixels = PIXELS_OF_A_VIDEO;
            }
            url
        }
        "image_base64" => {
            sources.base64 = true;
            let bytes = decode(&kind, &part.text(&kind)?, "image/")?;
            counted.image_pixels = pixels(&bytes)?;
            fingerprint(&bytes)
        }
        "video_base64" => {
            sources.base64 = true;
            let bytes = decode(&kind, &part.text(&kind)?, "video/")?;
            counted.video_pixels = PIXELS_OF_A_VIDEO;
            fingerprint(&bytes)
        }
        other => {
            return Err(Refusal::invalid(format!(
                "Content type '{other}' is not supported."
            )));
        }
    };
    part.end()?;
    Ok((said, counted))
}

/// Decodes a data URL such as `data:image/png;base64,…`.
fn decode(kind: &str, url: &str, media: &str) -> Result<Vec<u8>, Refusal> {
    let wrong = || {
        Refusal::invalid(format!(
            "{kind} must be a data URL such as data:{media}…;base64,…"
        ))
    };
    let (head, data) = url
        .strip_prefix("data:")
        .and_then(|rest| rest.split_once(','))
        .ok_or_else(wrong)?;
    if !head.starts_with(media) || !head.ends_with(";base64") {
        return Err(wrong());
    }
    let bytes = STANDARD.decode(data).map_err(|_not_base64| wrong())?;
    if bytes.len() > MAX_BYTES {
        return Err(Refusal::invalid(format!(
            "{kind} has {} bytes, at most {MAX_BYTES} are allowed.",
            bytes.len()
        )));
    }
    Ok(bytes)
}

/// Returns how many pixels an image is billed.
fn pixels(bytes: &[u8]) -> Result<u64, Refusal> {
    use imagesize::ImageType::{Gif, Jpeg, Png, Webp};

    let kind = imagesize::image_type(bytes);
    let size = imagesize::blob_size(bytes);
    let (Ok(Png | Jpeg | Webp | Gif), Ok(size)) = (kind, size) else {
        return Err(Refusal::invalid(
            "The image cannot be read. Supported formats are PNG, JPEG, WEBP and GIF.",
        ));
    };
    let pixels = (size.width as u64).saturating_mul(size.height as u64);
    if pixels > MAX_PIXELS {
        return Err(Refusal::invalid(format!(
            "The image has {pixels} pixels, at most {MAX_PIXELS} are allowed."
        )));
    }
    Ok(pixels.clamp(*BILLED_PIXELS.start(), *BILLED_PIXELS.end()))
}

/// Returns words that equal content shares, and different content does not.
fn fingerprint(bytes: &[u8]) -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in bytes {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    format!("content {hash:016x}")
}

/// What a call used.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct MultimodalUsage {
    text_tokens: u64,
    image_pixels: u64,
    video_pixels: u64,
    total_tokens: u64,
}

impl Multimodal {
    pub(super) async fn run(
        self,
        model: &'static Model,
        tokens: u64,
        vectors: &Vectors,
    ) -> Result<List<Embedding, MultimodalUsage>, Refusal> {
        let Self {
            texts,
            shape,
            counted,
        } = self;
        let vectors = vectors.embed(texts, model, shape.dimensions).await?;
        let data = vectors
            .into_iter()
            .enumerate()
            .map(|(index, vector)| Embedding::new(index, shape.write(vector)))
            .collect();
        let usage = MultimodalUsage {
            text_tokens: counted.text_tokens,
            image_pixels: counted.image_pixels,
            video_pixels: counted.video_pixels,
            total_tokens: tokens,
        };
        Ok(List::new(data, model, usage))
    }
}
