//! How a batch is carried out.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use serde_json::{Map, Value};
use tokio::sync::{Semaphore, SemaphorePermit, watch};

use crate::voyage::batches::batch::{Asked, Batch, FileIds, Status};
use crate::voyage::batches::line::{self, Done};
use crate::voyage::files::Files;
use crate::voyage::refusal::Refusal;
use crate::voyage::work::Endpoint;
use crate::voyage::{Counters, State};

/// A batch to be carried out.
pub(super) struct Job {
    pub(super) id: String,
    pub(super) endpoint: Endpoint,
    pub(super) params: Map<String, Value>,
    pub(super) input: Bytes,
    pub(super) asked: watch::Receiver<Asked>,
    pub(super) state: Arc<State>,
}

/// Why a batch fails as a whole, one entry for each fault.
type Faults = Vec<Value>;

impl Job {
    /// Carries it out, as one of so many; it stays so long in a status that nobody was told of.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the batch in the status that it has.
    pub(super) async fn carry_out(self, slots: Arc<Semaphore>, untold: Duration) {
        let outcome = tokio::select! {
            biased;
            () = self.cancelled() => Ok(()),
            outcome = self.work(&slots, untold) => outcome,
        };
        if let Ok(batch) = self.state.batches.lock().find(&self.id) {
            batch.end(outcome);
        }
    }

    async fn work(&self, slots: &Semaphore, untold: Duration) -> Result<(), Faults> {
        let at_work = place(slots).await;
        let total = self.check().await?;
        self.publish(|batch| batch.begin(total));
        drop(at_work);
        self.told(Status::InProgress, untold).await;
        let at_work = place(slots).await;
        let results = self.run().await?;
        self.keep(results)?;
        drop(at_work);
        self.told(Status::Finalizing, untold).await;
        Ok(())
    }

    /// Reads the input and returns how many lines it has.
    async fn check(&self) -> Result<usize, Faults> {
        let (input, endpoint) = (self.input.clone(), self.endpoint);
        let checked = tokio::task::spawn_blocking(move || line::check(&input, endpoint));
        checked.await.unwrap_or_else(|failed| {
            let message = failed.to_string();
            Err(vec![line::fault("internal_error", None, &message)])
        })
    }

    /// Does what each line asks for, and breaks off once there is no room for the results.
    async fn run(&self) -> Result<Results, Faults> {
        let mut results = Results::default();
        for line in line::backwards(&self.input, self.endpoint) {
            let done = line.run(self.endpoint, &self.params, &self.id, &self.state);
            results.add(done.await);
            results.check_room(&self.state.files.lock())?;
            self.publish(|batch| batch.count(results.completed, results.failed));
            // Lines that are refused wait for nothing.
            tokio::task::yield_now().await;
        }
        Ok(results)
    }

    /// Keeps the results and bills them. Those of a batch that was told to stop are thrown away.
    fn keep(&self, results: Results) -> Result<(), Faults> {
        let mut batches = self.state.batches.lock();
        let batch = batches.find(&self.id).ok();
        let Some(batch) = batch.filter(|batch| batch.is_wanted()) else {
            return Ok(());
        };
        let mut files = self.state.files.lock();
        results.check_room(&files)?;
        let mut add = |what: &str, text: Vec<u8>| {
            if text.is_empty() {
                return Ok(None);
            }
            let name = format!("{}_{what}.jsonl", self.id);
            files
                .add(name, text.into())
                .map(Some)
                .map_err(|refusal| full(&refusal))
        };
        let files = FileIds {
            output: add("output", results.output)?,
            errors: add("errors", results.errors)?,
        };
        Counters::add(&self.state.counters.tokens, results.tokens);
        batch.finalize(files);
        Ok(())
    }

    /// Changes what clients see, unless the batch was told to stop.
    fn publish(&self, change: impl FnOnce(&mut Batch)) {
        let mut batches = self.state.batches.lock();
        if let Ok(batch) = batches.find(&self.id)
            && batch.is_wanted()
        {
            change(batch);
        }
    }

    /// Waits until a client was told of this status, or for so long.
    async fn told(&self, status: Status, untold: Duration) {
        let mut asked = self.asked.clone();
        let told = asked.wait_for(|asked| asked.told == status);
        let _told_or_not = tokio::time::timeout(untold, told).await;
    }

    /// Waits until the batch is told to stop.
    async fn cancelled(&self) {
        let mut asked = self.asked.clone();
        if asked.wait_for(|asked| asked.cancelled).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

async fn place(slots: &Semaphore) -> SemaphorePermit<'_> {
    slots.acquire().await.expect("nobody closes the semaphore")
}

/// What the lines came to so far.
#[derive(Default)]
struct Results {
    output: Vec<u8>,
    errors: Vec<u8>,
    completed: usize,
    failed: usize,
    tokens: u64,
}

impl Results {
    fn add(&mut self, (done, tokens): (Done, u64)) {
        let (file, line) = match &done {
            Done::Output(line) => {
                self.completed += 1;
                (&mut self.output, line)
            }
            Done::Error(line) => {
                self.failed += 1;
                (&mut self.errors, line)
            }
        };
        file.extend_from_slice(line.as_bytes());
        file.push(b'\n');
        self.tokens += tokens;
    }

    /// Fails if they can no longer be kept.
    fn check_room(&self, files: &Files) -> Result<(), Faults> {
        let count = usize::from(!self.output.is_empty()) + usize::from(!self.errors.is_empty());
        let bytes = self.output.len().saturating_add(self.errors.len());
        files
            .check_room(count, bytes)
            .map_err(|refusal| full(&refusal))
    }
}

fn full(refusal: &Refusal) -> Faults {
    vec![line::fault("storage_full", None, &refusal.message())]
}
