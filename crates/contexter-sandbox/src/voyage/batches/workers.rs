//! The tasks that carry out batches.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::voyage::batches::job::Job;

/// How many batches are worked on at a time.
const AT_ONCE: usize = 4;

/// How long a batch stays in a status that nobody was told of.
const UNTOLD: Duration = Duration::from_secs(10);

/// The tasks that carry out batches. They know the server's state and not this, so that they end with
/// it: at once, wherever they are.
#[derive(Debug)]
pub(in crate::voyage) struct Workers {
    tasks: Mutex<JoinSet<()>>,
    slots: Arc<Semaphore>,
    untold: Duration,
}

impl Default for Workers {
    fn default() -> Self {
        Self {
            tasks: Mutex::default(),
            slots: Arc::new(Semaphore::new(AT_ONCE)),
            untold: UNTOLD,
        }
    }
}

impl Workers {
    /// Starts a task; as many wait or work as batches are under way.
    pub(super) fn start(&self, job: Job) {
        let mut tasks = self.tasks.lock();
        while tasks.try_join_next().is_some() {}
        tasks.spawn(job.carry_out(Arc::clone(&self.slots), self.untold));
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Bytes;
    use serde_json::{Value, json};

    use super::*;
    use crate::voyage::batches::{self, Page};
    use crate::voyage::fields::Fields;
    use crate::voyage::{State, Voyage, VoyageConfig};

    /// Longer than anything here takes on a busy machine.
    const PATIENCE: Duration = Duration::from_secs(30);

    fn state() -> Arc<State> {
        Voyage::new(VoyageConfig::new()).unwrap().state
    }

    fn workers(untold: Duration) -> Workers {
        Workers {
            untold,
            ..Workers::default()
        }
    }

    /// Creates a batch of one line.
    fn create(state: &Arc<State>, workers: &Workers) -> Value {
        let line = Bytes::from_static(b"{\"custom_id\":\"a\",\"body\":{\"input\":[\"one\"]}}");
        let file = state.files.lock().add("input.jsonl".to_owned(), line);
        let body = json!({
            "endpoint": "/v1/embeddings", "completion_window": "12h",
            "input_file_id": file.unwrap(), "request_params": {"model": "voyage-4-lite"},
        });
        let fields = Fields::parse(body.to_string().as_bytes()).unwrap();
        batches::create(state, workers, fields).unwrap()
    }

    /// Waits until the list has such a status in its first place.
    async fn listed(state: &State, status: &str) {
        let page = Page {
            limit: None,
            after: None,
        };
        let seen = async {
            while batches::list(state, &page).unwrap()["data"][0]["status"] != status {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, seen).await.unwrap();
    }

    #[tokio::test]
    async fn a_batch_that_nobody_asks_for_ends_as_well() {
        let (state, workers) = (state(), workers(Duration::ZERO));
        let batch = create(&state, &workers);
        assert_eq!(batch["status"], "validating");
        listed(&state, "completed").await;
    }

    #[tokio::test]
    async fn a_batch_stays_in_a_status_until_it_was_told_of() {
        let (state, workers) = (state(), workers(PATIENCE * 100));
        let batch = create(&state, &workers);
        let id = batch["id"].as_str().unwrap();
        for status in ["in_progress", "finalizing"] {
            listed(&state, status).await;
            assert_eq!(batches::look(&state, id).unwrap()["status"], status);
        }
        listed(&state, "completed").await;
    }

    #[tokio::test]
    async fn no_task_outlives_the_workers() {
        let (state, workers) = (state(), workers(PATIENCE * 100));
        for _ in 0..AT_ONCE + 2 {
            create(&state, &workers);
        }
        assert!(Arc::strong_count(&state) > 1);
        drop(workers);
        let ended = async {
            while Arc::strong_count(&state) > 1 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, ended).await.unwrap();
    }

    #[tokio::test]
    async fn what_stays_in_a_status_takes_no_place() {
        let (state, workers) = (state(), workers(PATIENCE * 100));
        for _ in 0..AT_ONCE + 2 {
            create(&state, &workers);
        }
        // The newest comes last.
        listed(&state, "in_progress").await;
    }
}
