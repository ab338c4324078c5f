//! `POST /contextualizedembeddings`,
//! <https://docs.voyageai.com/reference/contextualized-embeddings-api>.

use serde::Serialize;
use serde_json::Value;

use crate::voyage::embeddings::Embedding;
use crate::voyage::encoding::Shape;
use crate::voyage::fields::{self, Fields, InputType};
use crate::voyage::offers::Model;
use crate::voyage::projection;
use crate::voyage::refusal::Refusal;
use crate::voyage::tokens;
use crate::voyage::work::{List, Usage, Vectors};

/// How many chunks all inputs of a request hold together.
const MAX_CHUNKS: usize = 16_000;
/// The largest chunk that may be asked for.
const MAX_CHUNK_SIZE: u64 = 32_000;
/// The size of a chunk where none is asked for.
const CHUNK_SIZE: u64 = 512;
/// How much of the document there is in the vector of a chunk.
const CONTEXT_WEIGHT: f32 = 0.25;

/// Documents, each cut into chunks.
#[derive(Debug)]
pub(super) struct Contextualized {
    documents: Vec<Vec<String>>,
    shape: Shape,
    auto: bool,
}

/// How the vendor is to cut documents.
struct Chunking {
    size: u64,
    overlap: u64,
}

pub(super) fn check(mut fields: Fields, model: &Model) -> Result<(u64, Contextualized), Refusal> {
    let inputs = fields.required("inputs")?;
    let input_type = InputType::take(&mut fields)?;
    let chunking = chunking(&mut fields, input_type)?;
    let shape = Shape::take(&mut fields, model)?;
    fields.end()?;

    let mut documents = documents(inputs, input_type, chunking.is_some())?;
    let prompt = input_type.map_or(0, |input_type| tokens::count(input_type.prompt()));
    let mut total = 0;
    for (index, document) in documents.iter().enumerate() {
        let of_document: u64 = document
            .iter()
            .map(|chunk| prompt + tokens::count(chunk))
            .sum();
        total += of_document;
        // There is no truncation here. With automatic chunking only the request is limited.
        if chunking.is_none() && of_document > model.context {
            let what = format!("The document at index {index} in your batch");
            return Err(Refusal::too_long(&what, model.context, of_document));
        }
    }
    if let Some(chunking) = &chunking {
        for document in &mut documents {
            *document = document
                .iter()
                .flat_map(|text| chunks(text, chunking))
                .collect();
        }
    }
    let count = documents.iter().map(Vec::len).sum::<usize>();
    if count > MAX_CHUNKS {
        return Err(Refusal::invalid(format!(
            "The total number of chunks is limited to {MAX_CHUNKS}. Your request has {count}."
        )));
    }
    let auto = chunking.is_some();
    let job = Contextualized {
        documents,
        shape,
        auto,
    };
    Ok((total, job))
}

fn chunking(
    fields: &mut Fields,
    input_type: Option<InputType>,
) -> Result<Option<Chunking>, Refusal> {
    let auto = fields.flag("enable_auto_chunking", false)?;
    let size = fields.number("chunk_size")?;
    let overlap = fields.number("chunk_overlap")?;
    if !auto {
        return match (size, overlap) {
            (None, None) => Ok(None),
            _ => Err(Refusal::invalid(
                "chunk_size and chunk_overlap need enable_auto_chunking.",
            )),
        };
    }
    if input_type != Some(InputType::Document) {
        return Err(Refusal::invalid(
            "auto-chunking needs input_type 'document'.",
        ));
    }
    let size = size.unwrap_or(CHUNK_SIZE);
    let overlap = overlap.unwrap_or(0);
    if !(1..=MAX_CHUNK_SIZE).contains(&size) {
        return Err(Refusal::invalid(format!(
            "chunk_size must be from 1 to {MAX_CHUNK_SIZE}, got {size}."
        )));
    }
    if overlap >= size {
        return Err(Refusal::invalid(format!(
            "chunk_overlap must be less than chunk_size {size}, got {overlap}."
        )));
    }
    Ok(Some(Chunking { size, overlap }))
}

fn documents(
    inputs: Value,
    input_type: Option<InputType>,
    auto: bool,
) -> Result<Vec<Vec<String>>, Refusal> {
    let Value::Array(items) = inputs else {
        return Err(Refusal::malformed("inputs", "value is not a valid list"));
    };
    fields::check_count("inputs", items.len())?;
    if items.iter().all(Value::is_string) {
        if !auto && input_type != Some(InputType::Query) {
            return Err(Refusal::invalid(
                "A flat list of inputs needs input_type 'query' or enable_auto_chunking.",
            ));
        }
        let texts = fields::list_of_texts("inputs", Value::Array(items))?;
        return Ok(texts.into_iter().map(|text| vec![text]).collect());
    }
    items
        .into_iter()
        .map(|item| {
            let chunks = texts(item)?;
            if auto && chunks.len() != 1 {
                return Err(Refusal::invalid(
                    "auto-chunking expects one string per document",
                ));
            }
            if input_type == Some(InputType::Query) && chunks.len() != 1 {
                return Err(Refusal::invalid(
                    "For input_type 'query' each inner list must hold exactly one string.",
                ));
            }
            Ok(chunks)
        })
        .collect()
}

/// Reads the chunks of one document; their number is limited over all documents.
fn texts(item: Value) -> Result<Vec<String>, Refusal> {
    let Value::Array(chunks) = item else {
        return Err(Refusal::malformed("inputs", "value is not a valid list"));
    };
    if chunks.is_empty() {
        return Err(Refusal::invalid(
            "The list 'inputs' cannot hold empty lists.",
        ));
    }
    chunks
        .into_iter()
        .map(|chunk| match chunk {
            Value::String(text) => Ok(text),
            _ => Err(Refusal::malformed("inputs", "str type expected")),
        })
        .collect()
}

/// Cuts a text into chunks of so many tokens.
fn chunks(text: &str, chunking: &Chunking) -> Vec<String> {
    let spans: Vec<_> = tokens::spans(text).collect();
    let size = usize::try_from(chunking.size).unwrap_or(usize::MAX);
    let step = usize::try_from(chunking.size - chunking.overlap).unwrap_or(usize::MAX);
    let mut chunks = Vec::new();
    let mut from = 0_usize;
    loop {
        let chunk = spans.get(from..spans.len().min(from.saturating_add(size)));
        let start = chunk.and_then(<[_]>::first).map(|span| span.start);
        let end = chunk.and_then(<[_]>::last).map(|span| span.end);
        let (Some(start), Some(end)) = (start, end) else {
            break;
        };
        chunks.extend(text.get(start..end).map(str::to_owned));
        if from.saturating_add(size) >= spans.len() {
            break;
        }
        from += step;
    }
    if chunks.is_empty() {
        chunks.push(text.to_owned());
    }
    chunks
}

/// One document of a reply.
#[derive(Debug, Serialize)]
pub(super) struct Document {
    object: &'static str,
    index: usize,
    data: Vec<Embedding>,
}

/// The reply.
#[derive(Debug, Serialize)]
pub(super) struct Reply {
    #[serde(flatten)]
    list: List<Document>,
    #[serde(skip_serializing_if = "Option::is_none")]
    chunker_version: Option<&'static str>,
}

impl Contextualized {
    pub(super) async fn run(
        self,
        model: &'static Model,
        tokens: u64,
        vectors: &Vectors,
    ) -> Result<Reply, Refusal> {
        let Self {
            documents,
            shape,
            auto,
        } = self;
        let all: Vec<String> = documents.iter().flatten().cloned().collect();
        let mut embedded = vectors
            .embed(all, model, shape.dimensions)
            .await?
            .into_iter();
        let data = documents
            .into_iter()
            .enumerate()
            .map(|(index, chunks)| {
                let mut own: Vec<_> = embedded.by_ref().take(chunks.len()).collect();
                put_in_context(&mut own);
                let written = own.into_iter().zip(chunks).enumerate();
                let data = written
                    .map(|(place, (vector, text))| Embedding {
                        text: auto.then_some(text),
                        ..Embedding::new(place, shape.write(vector))
                    })
                    .collect();
                Document {
                    object: "list",
                    index,
                    data,
                }
            })
            .collect();
        let usage = Usage {
            total_tokens: tokens,
        };
        Ok(Reply {
            list: List::new(data, model, usage),
            chunker_version: auto.then_some("sandbox-1"),
        })
    }
}

/// Lets every chunk take on something of its document.
fn put_in_context(chunks: &mut [Vec<f32>]) {
    if chunks.len() < 2 {
        return;
    }
    let mut whole = vec![0.0; chunks.first().map_or(0, Vec::len)];
    for chunk in chunks.iter() {
        for (sum, value) in whole.iter_mut().zip(chunk) {
            *sum += value;
        }
    }
    projection::normalise(&mut whole);
    for chunk in chunks {
        for (value, context) in chunk.iter_mut().zip(&whole) {
            *value += CONTEXT_WEIGHT * context;
        }
        projection::normalise(chunk);
    }
}
