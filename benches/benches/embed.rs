//! Embedding with MiniLM against a bare loop around rten, the runtime beneath it.
//!
//! Both sides get the same texts in the same batches. The bare loop pads a batch to its longest
//! text, runs it on rten's own threads and takes the mean over the tokens; it is spared the
//! tokenizing, which ours does.

#![expect(
    clippy::print_stderr,
    clippy::cast_precision_loss,
    reason = "a program that reports, and counts far below what a float holds exactly"
)]

use std::error::Error;
use std::hint::black_box;

use contexter_benches::{MIN_RUNS, Row, interleaved};
use contexter_local::{MiniLm, ModelFile, ModelSources, WordPiece};
use contexter_service::{Clock, StdClock};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rten::{Model, NodeId};
use rten_tensor::prelude::*;
use rten_tensor::{NdTensor, NdTensorView};

/// How many texts come in one call, as when documents are indexed.
const BATCH: usize = 32;
/// How much the model reads of a text.
const MAX_TOKENS: usize = 256;

/// The lengths to measure: a name, the fewest and most words, how many texts.
const SIZES: [(&str, usize, usize, usize); 3] = [
    ("chunks of about 200 tokens", 130, 210, 96),
    ("texts of 10 to 256 tokens", 6, 220, 128),
    ("questions of about 12 tokens", 7, 9, 512),
];

/// Words of documentation: the model's cost depends on their number only.
const WORDS: &str = "the a request may be sent again when its deadline has not passed and breaker \
    is closed retry waits for delay that doubles with every attempt up to cap returns an error if \
    connection was refused by server which keeps no state between calls configuration file names \
    each service timeout limit in seconds default value can overridden from environment variable \
    function takes slice of bytes writes them into buffer until full then flushes";

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Runtime::new()?;
    let file = runtime.block_on(ModelSources::default().acquire(|notice| eprintln!("{notice}")))?;
    let bare = Bare::load(&file)?;
    let ours = MiniLm::load(file)?;
    let tokenizer = ours.tokenizer();

    for (size, fewest, most, count) in SIZES {
        let batches = batches(fewest, most, count);
        let tokens: Vec<Vec<Vec<u32>>> = batches
            .iter()
            .map(|batch| ids_of(batch, &tokenizer))
            .collect();
        let run_ours = || {
            nanoseconds_per_text(count, || {
                for batch in &batches {
                    let reply = runtime.block_on(ours.embed(batch.clone()));
                    black_box(reply.expect("the model embeds any text"));
                }
            })
        };
        let peers = [
            ("bare rten loop", BATCH),
            ("bare rten loop, text by text", 1),
        ];
        for (peer, texts_per_run) in peers {
            let run_bare = || {
                nanoseconds_per_text(count, || {
                    for run in tokens.iter().flat_map(|batch| batch.chunks(texts_per_run)) {
                        black_box(bare.embed(run).expect("the model embeds any text"));
                    }
                })
            };
            let (of_ours, of_peer) = interleaved(MIN_RUNS, run_ours, run_bare);
            let row = format!("embed: {size}, {BATCH} a call");
            eprintln!(
                "{row}: {:.1} texts/s, {peer}: {:.1} texts/s",
                1e9 / of_ours,
                1e9 / of_peer
            );
            Row::cost(&row, of_ours, of_peer, peer, "ns/text").print()?;
        }
    }
    Ok(())
}

fn nanoseconds_per_text(count: usize, work: impl FnOnce()) -> f64 {
    let started = StdClock.now();
    work();
    let took = StdClock.now() - started;
    took.as_secs_f64() * 1e9 / count as f64
}

fn batches(fewest: usize, most: usize, count: usize) -> Vec<Vec<String>> {
    let mut random = StdRng::seed_from_u64(42);
    let words: Vec<&str> = WORDS.split_whitespace().collect();
    let texts: Vec<String> = (0..count)
        .map(|_| {
            let length = random.random_range(fewest..=most);
            let text: Vec<&str> = (0..length)
                .filter_map(|_| words.choose(&mut random).copied())
                .collect();
            text.join(" ")
        })
        .collect();
    texts.chunks(BATCH).map(<[String]>::to_vec).collect()
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
