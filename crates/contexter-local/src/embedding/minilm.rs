//! The all-MiniLM-L6-v2 sentence embedding model.

use std::fmt;
use std::sync::Arc;

use contexter_model::{EmbeddingSpace, Embeddings, Error, ErrorKind, SpaceKind, Usage};
use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};
use rten::{Model, ModelOptions, NodeId, RunOptions, ThreadPool};
use rten_tensor::prelude::*;
use rten_tensor::{NdTensor, NdTensorView};
use tokio::sync::Semaphore;

use crate::embedding::batch::{self, Batch};
use crate::embedding::{ModelFile, WordPiece};

/// The length of the model's vectors.
const DIMENSIONS: usize = 384;
/// How many tokens the model was trained to read, its two markers included (model card).
const MAX_TOKENS: usize = 256;

/// How many runs each thread gets before another call may have its turn.
///
/// A search that is embedded while documents are indexed waits for one such turn: about a fifth of
/// a second. One run would leave threads idle at the end of every turn.
const RUNS_PER_TURN: usize = 4;

/// How many texts of one call are held as tokens at a time.
const TEXTS_PER_WINDOW: usize = 1024;

/// The all-MiniLM-L6-v2 sentence embedding model, with 384 dimensions and 256 tokens.
///
/// Weights are 8-bit integers on disk and 32-bit floats in memory (about 160 MB); a vector is the
/// mean over the tokens, of length 1. It depends on its own text only, up to the last bits of the
/// floats. Cloning is cheap and clones share the weights and the threads.
#[derive(Clone)]
pub struct MiniLm {
    inner: Arc<Inner>,
    /// One call computes at a time, on all threads; the others wait in the order they came.
    turn: Arc<Semaphore>,
}

struct Inner {
    model: Model,
    inputs: Inputs,
    output: NodeId,
    tokenizer: Arc<WordPiece>,
    threads: Arc<ThreadPool>,
    runs_per_turn: usize,
    space: EmbeddingSpace,
}

struct Inputs {
    ids: NodeId,
    mask: NodeId,
    /// Some exports leave out the segment ids, which are all 0 here.
    segments: Option<NodeId>,
}

impl MiniLm {
    /// Loads the model from its file, for all processors that this process may use.
    ///
    /// This reads no file and starts the threads; it takes about a tenth of a second. The file need
    /// not be the pinned one: any BERT with the same vocabulary and 384 dimensions works, in a
    /// space of its own.
    ///
    /// # Errors
    ///
    /// [`UnusableModel`] if the bytes are no ONNX model, or one of another kind.
    pub fn load(file: ModelFile) -> Result<Self, UnusableModel> {
        let space = EmbeddingSpace {
            id: file.space_id(),
            dimensions: DIMENSIONS,
            max_tokens: MAX_TOKENS,
            kind: SpaceKind::Semantic,
        };
        let model = ModelOptions::with_all_ops()
            .prepack_weights(true)
            .load(file.into_bytes())
            .map_err(UnusableModel::Load)?;
        let input = |name| model.node_id(name).map_err(UnusableModel::Input);
        let inputs = Inputs {
            ids: input("input_ids")?,
            mask: input("attention_mask")?,
            segments: model.find_node("token_type_ids"),
        };
        let output = model
            .find_node("last_hidden_state")
            .or_else(|| model.output_ids().first().copied())
            .ok_or(UnusableModel::NoOutput)?;
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let inner = Inner {
            model,
            inputs,
            output,
            tokenizer: Arc::new(WordPiece::new()),
            threads: Arc::new(ThreadPool::with_num_threads(threads)),
            runs_per_turn: threads * RUNS_PER_TURN,
            space,
        };
        let probe = batch::gather([inner.tokenizer.encode("probe", MAX_TOKENS)]);
        for batch in &probe {
            inner.run(batch).map_err(UnusableModel::Run)?;
        }
        Ok(Self {
            inner: Arc::new(inner),
            turn: Arc::new(Semaphore::new(1)),
        })
    }

    /// Returns the space of the vectors.
    #[must_use]
    pub fn space(&self) -> &EmbeddingSpace {
        &self.inner.space
    }

    /// Returns the model's own tokenizer.
    #[must_use]
    pub fn tokenizer(&self) -> Arc<WordPiece> {
        Arc::clone(&self.inner.tokenizer)
    }

    /// Embeds each text, in order; what lies beyond 256 tokens is not read.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unexpected`] if the model fails, which it does for no text known.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops the work after the turn under way, at most
    /// about a fifth of a second of computing; other calls wait for its end.
    pub async fn embed(&self, texts: Vec<String>) -> Result<Embeddings, Error> {
        let mut vectors = Vec::with_capacity(texts.len());
        let mut tokens = 0;
        let mut texts = texts.into_iter();
        while texts.len() > 0 {
            let window: Vec<String> = texts.by_ref().take(TEXTS_PER_WINDOW).collect();
            tokens += self.embed_window(window, &mut vectors).await?;
        }
        Ok(Embeddings {
            vectors,
            usage: Usage { tokens },
        })
    }

    /// Appends the vectors of `texts` to `vectors` and returns their tokens.
    async fn embed_window(
        &self,
        texts: Vec<String>,
        vectors: &mut Vec<Vec<f32>>,
    ) -> Result<u64, Error> {
        let count = texts.len();
        let inner = Arc::clone(&self.inner);
        let batches = on_blocking_thread(move || {
            batch::gather(
                texts
                    .iter()
                    .map(|text| inner.tokenizer.encode(text, MAX_TOKENS)),
            )
        })
        .await?;
        let tokens = batches
            .iter()
            .flat_map(|batch| &batch.rows)
            .map(|(_, ids)| ids.len() as u64)
            .sum();

        let mut embedded = vec![Vec::new(); count];
        let mut batches = batches.into_iter();
        while batches.len() > 0 {
            let runs: Vec<Batch> = batches.by_ref().take(self.inner.runs_per_turn).collect();
            for (place, vector) in self.take_turn(runs).await? {
                if let Some(slot) = embedded.get_mut(place) {
                    *slot = vector;
                }
            }
        }
        vectors.append(&mut embedded);
        Ok(tokens)
    }

    async fn take_turn(&self, runs: Vec<Batch>) -> Result<Vec<(usize, Vec<f32>)>, Error> {
        // The permit goes along, so that a turn whose caller is gone still counts until its end.
        let turn = Arc::clone(&self.turn)
            .acquire_owned()
            .await
            .map_err(|closed| unexpected("the model is closed").with_source(closed))?;
        let inner = Arc::clone(&self.inner);
        on_blocking_thread(move || {
            let _turn = turn;
            inner.run_all(runs)
        })
        .await?
        .map_err(|failed| unexpected("the embedding model failed").with_source(failed))
    }
}

impl fmt::Debug for MiniLm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MiniLm")
            .field("space", &self.inner.space)
            .finish_non_exhaustive()
    }
}

impl Inner {
    /// Spreads the runs over the threads; a thread without a run helps with the others' matrices.
    fn run_all(&self, runs: Vec<Batch>) -> Result<Vec<(usize, Vec<f32>)>, FailedRun> {
        let vectors: Vec<Vec<(usize, Vec<f32>)>> = self.threads.run(|| {
            runs.into_par_iter()
                .with_max_len(1)
                .map(|batch| self.run(&batch))
                .collect::<Result<_, _>>()
        })?;
        Ok(vectors.into_iter().flatten().collect())
    }

    /// Runs the model once.
    fn run(&self, batch: &Batch) -> Result<Vec<(usize, Vec<f32>)>, FailedRun> {
        let shape = [batch.rows.len(), batch.width()];
        let tensor = |value: fn(u32) -> i32| NdTensor::from_data(shape, batch.padded(value));
        let mut inputs = vec![
            // Lossless: the vocabulary has 30,522 tokens.
            (self.inputs.ids, tensor(u32::cast_signed).into()),
            (self.inputs.mask, tensor(|_token| 1).into()),
        ];
        if let Some(segments) = self.inputs.segments {
            inputs.push((segments, tensor(|_token| 0).into()));
        }
        let options = RunOptions::default().with_thread_pool(Some(Arc::clone(&self.threads)));
        let [hidden] = self
            .model
            .run_n(inputs, [self.output], Some(options))
            .map_err(FailedRun::Model)?;
        let hidden: NdTensor<f32, 3> = hidden.try_into().map_err(|_other| FailedRun::Kind)?;
        let expected = [shape[0], shape[1], DIMENSIONS];
        if hidden.shape() != expected {
            return Err(FailedRun::Shape {
                expected,
                found: hidden.shape(),
            });
        }
        batch
            .rows
            .iter()
            .enumerate()
            .map(|(row, (place, tokens))| {
                let of_tokens = hidden.slice((row, ..tokens.len()));
                Ok((*place, normalized_sum(of_tokens.view())?))
            })
            .collect()
    }
}

/// Adds up the rows and scales the sum to length 1, which the mean would give as well.
fn normalized_sum(rows: NdTensorView<'_, f32, 2>) -> Result<Vec<f32>, FailedRun> {
    let mut sum = vec![0_f32; DIMENSIONS];
    for row in rows.axis_iter(0) {
        for (total, value) in sum.iter_mut().zip(row.iter()) {
            *total += value;
        }
    }
    let length = sum.iter().map(|x| x * x).sum::<f32>().sqrt();
    if !length.is_normal() {
        return Err(FailedRun::NotFinite);
    }
    for value in &mut sum {
        *value /= length;
    }
    Ok(sum)
}

async fn on_blocking_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|failed| unexpected("embedding was broken off").with_source(failed))
}

fn unexpected(message: &str) -> Error {
    Error::new(ErrorKind::Unexpected, message)
}

/// Why a file is not usable as the embedding model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnusableModel {
    /// It is no ONNX model.
    #[error("the file is no onnx model that can be loaded")]
    Load(#[source] rten::LoadError),
    /// It does not take token ids and their mask.
    #[error("the model has no input that a sentence embedding model has")]
    Input(#[source] rten::RunError),
    /// It gives nothing.
    #[error("the model has no output")]
    NoOutput,
    /// It fails on one word.
    #[error("the model cannot embed a word")]
    Run(#[source] FailedRun),
}

/// Why a run of the model failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FailedRun {
    /// The runtime refused it.
    #[error("the model cannot be run")]
    Model(#[source] rten::RunError),
    /// The output is not made of floats in three dimensions.
    #[error("the model's output is no tensor of floats with three dimensions")]
    Kind,
    /// The output has the wrong shape.
    #[error("the model's output has the shape {found:?}, not {expected:?}")]
    Shape {
        /// Texts, tokens, dimensions as they must be.
        expected: [usize; 3],
        /// Texts, tokens, dimensions as they are.
        found: [usize; 3],
    },
    /// A vector has no direction.
    #[error("the model's output holds a value that is not finite, or zeros only")]
    NotFinite,
}
