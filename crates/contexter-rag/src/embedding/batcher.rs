//! The worker that merges waiting requests into calls and verifies what comes back.

use std::collections::VecDeque;

use contexter_model::{Embed, Error, ErrorKind, Purpose};
use contexter_service::{Handle, Service as _};
use tokio::sync::{mpsc, oneshot};

use super::BatchLimits;

/// One caller's texts.
pub(super) struct Job {
    pub(super) texts: Vec<String>,
    pub(super) reply: oneshot::Sender<Result<Vec<Vec<f32>>, Error>>,
}

/// Serves jobs until every sender is gone.
pub(super) async fn run(
    embedder: Handle<Embed>,
    dimensions: usize,
    limits: BatchLimits,
    mut queue: mpsc::Receiver<Job>,
) {
    let mut held = None;
    loop {
        let first = match held.take() {
            Some(job) => job,
            None => match queue.recv().await {
                Some(job) => job,
                None => return,
            },
        };
        let mut batch = Batch::default();
        batch.push(first);
        // Take what is already waiting; never wait for more.
        while let Ok(job) = queue.try_recv() {
            if !batch.has_room_for(&job, limits) {
                held = Some(job);
                break;
            }
            batch.push(job);
        }
        batch.serve(&embedder, dimensions, limits).await;
    }
}

#[derive(Default)]
struct Batch {
    jobs: Vec<Job>,
    texts: usize,
    bytes: usize,
}

impl Batch {
    fn push(&mut self, job: Job) {
        self.texts += job.texts.len();
        self.bytes += bytes(&job.texts);
        self.jobs.push(job);
    }

    fn has_room_for(&self, job: &Job, limits: BatchLimits) -> bool {
        self.texts + job.texts.len() <= limits.max_texts
            && self.bytes + bytes(&job.texts) <= limits.max_bytes
    }

    async fn serve(self, embedder: &Handle<Embed>, dimensions: usize, limits: BatchLimits) {
        let jobs: Vec<Job> = self
            .jobs
            .into_iter()
            .filter(|job| !job.reply.is_closed())
            .collect();
        if let [_, _, ..] = jobs.as_slice() {
            let texts = jobs.iter().flat_map(|job| job.texts.iter().cloned());
            if let Ok(vectors) = embed(embedder, texts.collect(), dimensions, limits).await {
                let mut vectors = vectors.into_iter();
                for job in jobs {
                    let own = vectors.by_ref().take(job.texts.len()).collect();
                    // The caller may have given up meanwhile.
                    let _ = job.reply.send(Ok(own));
                }
                return;
            }
        }
        // Alone, or together in vain: each by itself, so that a fault stays with its owner.
        for job in jobs {
            let answer = embed(embedder, job.texts, dimensions, limits).await;
            let _ = job.reply.send(answer);
        }
    }
}

fn bytes(texts: &[String]) -> usize {
    texts.iter().map(String::len).sum()
}

/// Embeds `texts` in calls within the limits, halving calls that are refused for what they hold.
async fn embed(
    embedder: &Handle<Embed>,
    texts: Vec<String>,
    dimensions: usize,
    limits: BatchLimits,
) -> Result<Vec<Vec<f32>>, Error> {
    let mut done = Vec::with_capacity(texts.len());
    let mut calls: VecDeque<Vec<String>> = split(texts, limits);
    while let Some(mut texts) = calls.pop_front() {
        let count = texts.len();
        let request = Embed {
            texts: texts.clone(),
            purpose: Purpose::Document,
        };
        match embedder.call(request).await {
            Ok(reply) => {
                verify(&reply.vectors, count, dimensions)?;
                done.extend(reply.vectors);
            }
            Err(error) if count > 1 && refused_for_content(&error) => {
                let second = texts.split_off(count / 2);
                calls.push_front(second);
                calls.push_front(texts);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

fn refused_for_content(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Invalid | ErrorKind::TooLarge)
}

fn split(texts: Vec<String>, limits: BatchLimits) -> VecDeque<Vec<String>> {
    let mut calls = VecDeque::new();
    let mut call: Vec<String> = Vec::new();
    let mut size = 0;
    for text in texts {
        let full = call.len() >= limits.max_texts.max(1) || size + text.len() > limits.max_bytes;
        if full && !call.is_empty() {
            calls.push_back(std::mem::take(&mut call));
            size = 0;
        }
        size += text.len();
        call.push(text);
    }
    if !call.is_empty() {
        calls.push_back(call);
    }
    calls
}

/// Checks that a reply is one finite vector of the right length for each text.
pub(super) fn verify(vectors: &[Vec<f32>], texts: usize, dimensions: usize) -> Result<(), Error> {
    let fault = if vectors.len() != texts {
        Some(format!(
            "{} vectors for {texts} texts, expected one for each",
            vectors.len()
        ))
    } else if let Some(vector) = vectors.iter().find(|vector| vector.len() != dimensions) {
        Some(format!(
            "a vector of {} dimensions, expected {dimensions}",
            vector.len()
        ))
    } else if vectors.iter().flatten().any(|value| !value.is_finite()) {
        Some("a vector with a value that is not finite".to_owned())
    } else {
        None
    };
    match fault {
        Some(fault) => Err(Error::new(
            ErrorKind::Protocol,
            format!("the embedder returned {fault}"),
        )
        .with_operation("embed")),
        None => Ok(()),
    }
}
