//! `POST /contextualizedembeddings`,
//! <https://docs.voyageai.com/reference/contextualized-embeddings-api>.

use serde::Serialize;
use serde_json::Value;

use crate::voyage::chunking::Chunking;
use crate::voyage::embeddings::Embedding;
use crate::voyage::encoding::Shape;
use crate::voyage::fields::{self, Fields, InputType};
use crate::voyage::offers::Model;
use crate::voyage::projection;
use crate::voyage::refusal::Refusal;
use crate::voyage::tokens;
use crate::voyage::work::{List, Usage, Vectors};

/// How many chunks all inputs of a request hold together.
const MAX_CHUNKS: u64 = 16_000;
/// How much of the document there is in the vector of a chunk.
const CONTEXT_WEIGHT: f32 = 0.25;

/// Documents, each cut into chunks.
#[derive(Debug)]
pub(super) struct Contextualized {
    documents: Vec<Vec<String>>,
    shape: Shape,
    auto: bool,
}

pub(super) fn check(mut fields: Fields, model: &Model) -> Result<(u64, Contextualized), Refusal> {
    let inputs = fields.required("inputs")?;
    let input_type = InputType::take(&mut fields)?;
    let chunking = Chunking::take(&mut fields, input_type)?;
    let shape = Shape::take(&mut fields, model)?;
    fields.end()?;

    let mut documents = documents(inputs, input_type, chunking.is_some())?;
    let prompt = input_type.map_or(0, |input_type| tokens::count(input_type.prompt()));
    let (mut total, mut count) = (0, 0_u64);
    for (index, document) in documents.iter().enumerate() {
        let mut of_document = 0;
        for text in document {
            let tokens = tokens::count(text);
            of_document += prompt + tokens;
            count += chunking.as_ref().map_or(1, |cut| cut.count(tokens));
        }
        total += of_document;
        // There is no truncation here. With automatic chunking only the request is limited.
        if chunking.is_none() && of_document > model.context {
            let what = format!("The document at index {index} in your batch");
            return Err(Refusal::too_long(&what, model.context, of_document));
        }
    }
    if count > MAX_CHUNKS {
        return Err(Refusal::invalid(format!(
            "The total number of chunks is limited to {MAX_CHUNKS}. Your request has {count}."
        )));
    }
    if total > model.per_request {
        let allowed = model.per_request;
        return Err(Refusal::too_many_tokens(model.name, allowed, total));
    }
    // What is refused is not cut: chunks that overlap are many times as large as their text.
    if let Some(chunking) = &chunking {
        documents = chunking.cut(&documents)?;
    }
    let auto = chunking.is_some();
    let job = Contextualized {
        documents,
        shape,
        auto,
    };
    Ok((total, job))
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
