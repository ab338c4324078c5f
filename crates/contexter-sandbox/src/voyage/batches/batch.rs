//! A batch as clients see it.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::voyage::files::now;
use crate::voyage::refusal::Refusal;

/// The one window there is.
pub(super) const WINDOW: &str = "12h";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Validating,
    InProgress,
    Finalizing,
    Completed,
    Failed,
    Cancelling,
    Cancelled,
}

impl Status {
    fn as_str(self) -> &'static str {
        match self {
            Self::Validating => "validating",
            Self::InProgress => "in_progress",
            Self::Finalizing => "finalizing",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelling => "cancelling",
            Self::Cancelled => "cancelled",
        }
    }

    /// Returns the vendor's name for the time at which it began.
    fn time(self) -> &'static str {
        match self {
            Self::Validating => "created_at",
            Self::InProgress => "in_progress_at",
            Self::Finalizing => "finalizing_at",
            Self::Completed => "completed_at",
            Self::Failed => "failed_at",
            Self::Cancelling => "cancelling_at",
            Self::Cancelled => "cancelled_at",
        }
    }

    fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

/// What clients have done about a batch, for the task that carries it out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    /// The last status that one of them was told.
    pub(super) told: Status,
    pub(super) cancelled: bool,
}

/// What a batch was made of.
#[derive(Debug)]
pub(super) struct About {
    pub(super) path: String,
    pub(super) model: String,
    pub(super) input_file_id: String,
    pub(super) metadata: Value,
}

/// How many lines there are, and what became of them so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) total: usize,
    pub(super) completed: usize,
    pub(super) failed: usize,
}

/// What is left of a batch that was carried out.
#[derive(Debug)]
pub(super) struct FileIds {
    pub(super) output: Option<String>,
    pub(super) errors: Option<String>,
}

#[derive(Debug)]
pub(super) struct Batch {
    id: String,
    about: About,
    status: Status,
    errors: Vec<Value>,
    counts: Counts,
    files: FileIds,
    /// When each status began.
    times: BTreeMap<&'static str, i64>,
    asked: watch::Sender<Asked>,
}

impl Batch {
    /// Creates a batch; who creates it is told that it is being validated.
    pub(super) fn new(id: String, about: About) -> Self {
        let status = Status::Validating;
        let asked = Asked {
            told: status,
            cancelled: false,
        };
        Self {
            id,
            about,
            status,
            errors: Vec::new(),
            counts: Counts::default(),
            files: FileIds {
                output: None,
                errors: None,
            },
            times: BTreeMap::from([(status.time(), now())]),
            asked: watch::Sender::new(asked),
        }
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn has_ended(&self) -> bool {
        self.status.is_final()
    }

    /// Returns whether it still goes on, and was not told to stop.
    pub(super) fn is_wanted(&self) -> bool {
        !self.has_ended() && self.status != Status::Cancelling
    }

    /// Returns what tells of its clients.
    pub(super) fn asked(&self) -> watch::Receiver<Asked> {
        self.asked.subscribe()
    }

    /// Describes it to who asks for it.
    pub(super) fn look(&self) -> Value {
        let told = self.status;
        self.asked.send_modify(|asked| asked.told = told);
        self.describe()
    }

    /// Tells it to stop.
    pub(super) fn cancel(&mut self) -> Result<Value, Refusal> {
        if self.has_ended() {
            let (id, status) = (&self.id, self.status.as_str());
            return Err(Refusal::new(
                StatusCode::BAD_REQUEST,
                format!("Batch {id} is {status} and cannot be cancelled."),
            ));
        }
        if self.is_wanted() {
            self.enter(Status::Cancelling);
            self.asked.send_modify(|asked| asked.cancelled = true);
        }
        Ok(self.describe())
    }

    pub(super) fn begin(&mut self, total: usize) {
        self.counts.total = total;
        self.enter(Status::InProgress);
    }

    pub(super) fn count(&mut self, completed: usize, failed: usize) {
        self.counts.completed = completed;
        self.counts.failed = failed;
    }

    pub(super) fn finalize(&mut self, files: FileIds) {
        self.files = files;
        self.enter(Status::Finalizing);
    }

    /// Ends it. What was told to stop has stopped, whatever came of it.
    pub(super) fn end(&mut self, outcome: Result<(), Vec<Value>>) {
        match outcome {
            _ if self.status == Status::Cancelling => self.enter(Status::Cancelled),
            Ok(()) => self.enter(Status::Completed),
            Err(errors) => {
                self.errors = errors;
                self.enter(Status::Failed);
            }
        }
    }

    fn enter(&mut self, status: Status) {
        self.status = status;
        self.times.insert(status.time(), now());
    }

    pub(super) fn describe(&self) -> Value {
        let About {
            path,
            model,
            input_file_id,
            metadata,
        } = &self.about;
        let errors =
            (!self.errors.is_empty()).then(|| json!({"object": "list", "data": self.errors}));
        let mut described = json!({
            "id": self.id,
            "object": "batch",
            "endpoint": path,
            "model": model,
            "status": self.status.as_str(),
            "input_file_id": input_file_id,
            "output_file_id": self.files.output,
            "error_file_id": self.files.errors,
            "completion_window": WINDOW,
            "errors": errors,
            "request_counts": {
                "total": self.counts.total,
                "completed": self.counts.completed,
                "failed": self.counts.failed,
            },
            "metadata": metadata,
        });
        if let Value::Object(fields) = &mut described {
            for (name, time) in &self.times {
                fields.insert((*name).to_owned(), json!(time));
            }
        }
        described
    }
}
