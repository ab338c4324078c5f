//! `POST /embeddings`, <https://docs.voyageai.com/reference/embeddings-api>.

use serde::Serialize;
use serde_json::Value;

use crate::voyage::encoding::{Shape, Written};
use crate::voyage::fields::{self, Fields, InputType};
use crate::voyage::offers::Model;
use crate::voyage::refusal::Refusal;
use crate::voyage::tokens;
use crate::voyage::work::{List, Usage, Vectors};

/// Texts to embed, cut to what the model reads.
#[derive(Debug)]
pub(super) struct Embeddings {
    texts: Vec<String>,
    shape: Shape,
}

/// One vector of a reply.
#[derive(Debug, Serialize)]
pub(super) struct Embedding {
    pub(super) object: &'static str,
    pub(super) index: usize,
    #[serde(rename = "embedding")]
    pub(super) vector: Written,
    /// Only where the vendor cut the text into chunks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) text: Option<String>,
}

impl Embedding {
    pub(super) fn new(index: usize, vector: Written) -> Self {
        Self {
            object: "embedding",
            index,
            vector,
            text: None,
        }
    }
}

pub(super) fn check(mut fields: Fields, model: &Model) -> Result<(u64, Embeddings), Refusal> {
    let texts = match fields.required("input")? {
        Value::String(text) => vec![text],
        list => fields::list_of_texts("input", list)?,
    };
    let input_type = InputType::take(&mut fields)?;
    let truncation = fields.flag("truncation", true)?;
    let shape = Shape::take(&mut fields, model)?;
    fields.end()?;

    let mut total = 0;
    let texts = texts
        .into_iter()
        .enumerate()
        .map(|(index, text)| {
            let (text, tokens) = fit(text, input_type, truncation, model, index)?;
            total += tokens;
            Ok(text)
        })
        .collect::<Result<_, Refusal>>()?;
    Ok((total, Embeddings { texts, shape }))
}

/// Cuts a text to what the model reads besides the prompt; returns what is left and its tokens.
fn fit(
    mut text: String,
    input_type: Option<InputType>,
    truncation: bool,
    model: &Model,
    index: usize,
) -> Result<(String, u64), Refusal> {
    let prompt = input_type.map_or(0, |input_type| tokens::count(input_type.prompt()));
    let room = model.context.saturating_sub(prompt);
    let (kept, used) = tokens::cut(&text, room);
    if kept.len() < text.len() && tokens::count(&text) > room {
        if !truncation {
            let what = format!("The example at index {index} in your batch");
            let all = prompt + tokens::count(&text);
            return Err(Refusal::too_long(&what, model.context, all));
        }
        text.truncate(kept.len());
    }
    Ok((text, prompt + used))
}

impl Embeddings {
    pub(super) async fn run(
        self,
        model: &'static Model,
        tokens: u64,
        vectors: &Vectors,
    ) -> Result<List<Embedding>, Refusal> {
        let Self { texts, shape } = self;
        let vectors = vectors.embed(texts, model, shape.dimensions).await?;
        let data = vectors
            .into_iter()
            .enumerate()
            .map(|(index, vector)| Embedding::new(index, shape.write(vector)))
            .collect();
        let usage = Usage {
            total_tokens: tokens,
        };
        Ok(List::new(data, model, usage))
    }
}
