//! Progress bars; silent where standard error is no terminal.

use std::time::Duration;

use contexter_rag::ingest::{Ingestion, Progress};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tokio::task::JoinHandle;

/// Follows an ingestion until dropped.
pub(crate) struct Bars {
    words: ProgressBar,
    vectors: ProgressBar,
    follower: JoinHandle<()>,
}

impl Bars {
    pub(crate) fn follow(ingestion: &Ingestion) -> Self {
        let bars = MultiProgress::new();
        let words = bars.add(ProgressBar::no_length());
        words.set_style(style("words    {pos} documents, {msg}"));
        let vectors = bars.add(ProgressBar::new(0));
        vectors.set_style(style(
            "vectors  {bar:30} {pos}/{len} chunks, {per_sec}, {eta} left",
        ));
        let mut progress = ingestion.progress();
        let (follow_words, follow_vectors) = (words.clone(), vectors.clone());
        let follower = tokio::spawn(async move {
            while progress.changed().await.is_ok() {
                let now = progress.borrow_and_update().clone();
                show(&now, &follow_words, &follow_vectors);
            }
        });
        Self {
            words,
            vectors,
            follower,
        }
    }

    /// Says that every document can be found by its words, by other processes too if the store is
    /// `shared`.
    pub(crate) fn searchable(&self, after: Duration, shared: bool) {
        let seconds = after.as_secs_f64();
        self.say(&if shared {
            format!("searchable by words after {seconds:.1} s; vectors follow")
        } else {
            format!(
                "words indexed after {seconds:.1} s; vectors follow, and searches wait for the end of \
                 this command, or for Ctrl-C"
            )
        });
        self.vectors.reset_eta();
    }

    /// Says something above the bars.
    pub(crate) fn say(&self, message: &str) {
        if self.words.is_hidden() {
            eprintln!("{message}");
        } else {
            self.words.println(message);
        }
    }

    pub(crate) fn finish(self) {
        self.words.finish();
        self.vectors.finish();
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        self.follower.abort();
    }
}

fn show(progress: &Progress, words: &ProgressBar, vectors: &ProgressBar) {
    words.set_position(progress.documents_seen);
    words.set_message(match &progress.library {
        Some(library) => format!("{} chunks, {library}", progress.chunks_indexed),
        None => String::new(),
    });
    vectors.set_length(progress.chunks_to_embed);
    vectors.set_position(progress.chunks_embedded);
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_invalid| ProgressStyle::default_bar())
}
