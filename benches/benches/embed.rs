//! Embedding with MiniLM against a bare loop around rten, the runtime beneath it.
//!
//! Both sides get the same texts in the same batches: chunks of real documentation, and the
//! questions and titles in it. The bare loop pads a batch to its longest text, runs it on rten's
//! own threads and takes the mean over the tokens; it is spared the tokenizing, which ours does.

use std::error::Error;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use contexter_benches::{MIN_RUNS, Row, grouped, interleaved, size, text};
use contexter_local::{MiniLm, ModelFile, ModelSources, WordPiece};
use contexter_model::CountTokens;
use rten::{Model, NodeId};
use rten_tensor::prelude::*;
use rten_tensor::{NdTensor, NdTensorView};

/// How many texts come in one call, as when documents are indexed.
const BATCH: usize = 32;
/// How much the model reads of a text.
const MAX_TOKENS: usize = 256;

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Runtime::new()?;
    let file = runtime
        .block_on(ModelSources::default().acquire(|notice| text::say(&notice.to_string())))?;
    let bare = Bare::load(&file)?;
    let ours = MiniLm::load(file)?;
    let tokenizer = ours.tokenizer();

    let chunks = size(2_000, 96);
    let counter: Arc<dyn CountTokens> = ours.tokenizer();
    let passages = runtime.block_on(text::read(chunks, counter))?;
    let texts: Vec<String> = passages.iter().map(text::Passage::indexed_text).collect();
    let sample: Vec<String> = texts.iter().take(size(256, 64)).cloned().collect();
    let queries = text::queries(&passages, size(512, 64));

    let whole = ("bare rten loop", BATCH);
    let single = ("bare rten loop, text by text", 1);
    let sets = [
        ("chunks of documentation", &texts, whole),
        ("chunks of documentation", &sample, single),
        ("questions and titles", &queries, whole),
        ("questions and titles", &queries, single),
    ];
    for (what, texts, (peer, texts_per_run)) in sets {
        let batches: Vec<Vec<String>> = texts.chunks(BATCH).map(<[String]>::to_vec).collect();
        let tokens: Vec<Vec<Vec<u32>>> = batches
            .iter()
            .map(|batch| ids_of(batch, &tokenizer))
            .collect();
        let row = format!("embed {} {what}, {BATCH} a call", grouped(texts.len()));
        let read: usize = tokens.iter().flatten().map(Vec::len).sum();
        text::say(&format!("{row}: {} tokens each", read / texts.len().max(1)));
        let run_ours = || {
            let rate = per_second(texts.len(), || {
                for batch in &batches {
                    let reply = runtime.block_on(ours.embed(batch.clone()));
                    black_box(reply.expect("the model embeds any text"));
                }
            });
            text::say(&format!("{row}: {rate:.1} a second"));
            rate
        };
        let run_bare = || {
            let rate = per_second(texts.len(), || {
                for run in tokens.iter().flat_map(|batch| batch.chunks(texts_per_run)) {
                    black_box(bare.embed(run).expect("the model embeds any text"));
                }
            });
            text::say(&format!("{row}: {rate:.1} a second, {peer}"));
            rate
        };
        let (of_ours, of_peer) = interleaved(MIN_RUNS, run_ours, run_bare);
        Row::rate(&row, of_ours, of_peer, peer, "texts/s").print()?;
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn per_second(count: usize, work: impl FnOnce()) -> f64 {
    #[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
    let started = Instant::now();
    work();
    count as f64 / started.elapsed().as_secs_f64()
}

fn ids_of(batch: &[String], tokenizer: &WordPiece) -> Vec<Vec<u32>> {
    batch
        .iter()
        .map(|text| tokenizer.encode(text, MAX_TOKENS))
        .collect()
}

/// What one writes who has only rten.
struct Bare {
    model: Model,
    inputs: [NodeId; 3],
    output: NodeId,
}

impl Bare {
    fn load(file: &ModelFile) -> Result<Self, Box<dyn Error>> {
        let model = Model::load(file.bytes().to_vec())?;
        let inputs = [
            model.node_id("input_ids")?,
            model.node_id("attention_mask")?,
            model.node_id("token_type_ids")?,
        ];
        let output = model.node_id("last_hidden_state")?;
        Ok(Self {
            model,
            inputs,
            output,
        })
    }

    fn embed(&self, texts: &[Vec<u32>]) -> Result<Vec<Vec<f32>>, Box<dyn Error>> {
        let width = texts.iter().map(Vec::len).max().unwrap_or(0);
        let shape = [texts.len(), width];
        let padded = |value: fn(u32) -> i32| {
            let mut cells = Vec::with_capacity(texts.len() * width);
            for (row, ids) in (1..).zip(texts) {
                cells.extend(ids.iter().map(|&id| value(id)));
                cells.resize(row * width, 0);
            }
            NdTensor::from_data(shape, cells)
        };
        let values = [padded(u32::cast_signed), padded(|_| 1), padded(|_| 0)];
        let inputs = self.inputs.into_iter().zip(values);
        let inputs = inputs.map(|(id, value)| (id, value.into())).collect();
        let [hidden] = self.model.run_n(inputs, [self.output], None)?;
        let hidden: NdTensor<f32, 3> = hidden.try_into()?;
        Ok(texts
            .iter()
            .enumerate()
            .map(|(row, ids)| mean_of_length_one(hidden.slice((row, ..ids.len())).view()))
            .collect())
    }
}

fn mean_of_length_one(rows: NdTensorView<'_, f32, 2>) -> Vec<f32> {
    let mut sum = vec![0_f32; rows.size(1)];
    for row in rows.axis_iter(0) {
        for (total, value) in sum.iter_mut().zip(row.iter()) {
            *total += value;
        }
    }
    let length = sum.iter().map(|x| x * x).sum::<f32>().sqrt();
    sum.iter().map(|x| x / length).collect()
}
