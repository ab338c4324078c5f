//! `index`, and the tour that runs without a command.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use contexter_model::{LibraryId, Skipped};
use contexter_rag::ingest::{Division, Ingestion};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use crate::app::{Access, App};
use crate::bars::Bars;
use crate::cli::Index;
use crate::data::DataFolder;
use crate::output::say;
use crate::search;
use crate::services::PATIENCE;
use crate::settings::Settings;
use crate::sources::{self, Documents};

/// What the tour indexes: small crates of this workspace's own lock file, so that two cores embed
/// them within a minute.
const TOUR_CRATES: [&str; 5] = [
    "pin-project-lite",
    "semver",
    "tempfile",
    "thiserror",
    "walkdir",
];
/// What the tour asks.
const TOUR_QUESTIONS: [&str; 3] = [
    "How do I create a temporary file that is deleted automatically?",
    "derive Display for an error enum with the cause as source",
    "skip hidden directories while walking a tree",
];
/// Libraries in work at the same time: small ones share a write to the disk.
const LIBRARIES_AT_ONCE: usize = 8;
/// From this many changed documents on, optimizing takes a while.
const WORTH_SAYING: u64 = 100;

pub(crate) async fn run(settings: Settings, args: Index) -> Result<()> {
    let source = args.source();
    let documents = sources::open(&settings, source, args.library.clone()).await?;
    let data = DataFolder::create(&settings.data())?;
    for (origin, libraries) in &documents.origins {
        data.check_claims(libraries, origin)?;
    }
    let outcome = index(settings, &data, documents).await?;
    if outcome.changed + outcome.unchanged == 0 {
        let source = source.map_or_else(
            || "what the configuration names".to_owned(),
            |source| source.display().to_string(),
        );
        match outcome.skipped.len() {
            0 => bail!("nothing was indexed: {source} holds no documents; the index is as it was"),
            all => bail!("nothing was indexed: all {all} documents of {source} were skipped"),
        }
    }
    if args.strict && !outcome.skipped.is_empty() {
        bail!(
            "{} documents were skipped (--strict)",
            outcome.skipped.len()
        );
    }
    Ok(())
}

/// Indexes a few crates and answers three questions.
pub(crate) async fn tour(settings: Settings) -> Result<()> {
    let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.lock");
    let mut documents = sources::open(&settings, Some(&lock), None).await?;
    // Newest first: of a crate that is locked twice, the newer version stays.
    let mut toured = BTreeSet::new();
    documents.libraries.retain(|library| {
        TOUR_CRATES.contains(&library.name()) && toured.insert(library.name().to_owned())
    });
    let data = DataFolder::create(&settings.data())?;
    let folder = settings.data().display().to_string();
    eprintln!(
        "indexing the documentation of {} into {folder}",
        TOUR_CRATES.join(", ")
    );
    let (app, ingestion) = open(settings, &data, &documents).await?;
    let mut outcome = Outcome::default();
    let worked = work(&app, &ingestion, &documents, &mut outcome).await;
    outcome.print()?;
    worked?;
    let engine = app.search_engine()?;
    for question in TOUR_QUESTIONS {
        search::answer(&engine, question, 2).await?;
    }
    eprintln!("\nAsk more:      rag_pipeline search \"your question\" --data {folder}");
    eprintln!("Index your own: rag_pipeline index --source DIR --data {folder}");
    eprintln!("(from the workspace: cargo run --release --example rag_pipeline -- search …)");
    drop(ingestion);
    app.close().await
}

async fn index(settings: Settings, data: &DataFolder, documents: Documents) -> Result<Outcome> {
    let (app, ingestion) = open(settings, data, &documents).await?;
    let mut outcome = Outcome::default();
    let worked = work(&app, &ingestion, &documents, &mut outcome).await;
    outcome.skipped.extend(documents.skipped);
    outcome.print()?;
    worked?;
    drop(ingestion);
    app.close().await?;
    Ok(outcome)
}

async fn open(
    settings: Settings,
    data: &DataFolder,
    documents: &Documents,
) -> Result<(App, Ingestion)> {
    let choice = settings.choice()?;
    let (source, access) = (Some(Arc::clone(&documents.adapter)), Access::Write);
    let app = Box::pin(App::open(settings, data, choice, source, access, PATIENCE)).await?;
    let ingestion = app.ingestion(Division::default()).await?;
    Ok((app, ingestion))
}

/// Runs both halves of the flow over all libraries: first the words of every one, then the vectors.
///
/// `outcome` holds what was done, also when it ends in an error.
async fn work(
    app: &App,
    ingestion: &Ingestion,
    documents: &Documents,
    outcome: &mut Outcome,
) -> Result<()> {
    let started = Instant::now();
    let worked = steps(app, ingestion, documents, outcome).await;
    outcome.seconds = started.elapsed().as_secs_f64();
    worked
}

async fn steps(
    app: &App,
    ingestion: &Ingestion,
    documents: &Documents,
    outcome: &mut Outcome,
) -> Result<()> {
    let bars = Bars::follow(ingestion);
    let interrupted = app.data().changes()?;
    both_halves(app, ingestion, documents, &bars, outcome)
        .await
        .context(
            "not everything was indexed; what was is kept, and the same command goes on from there",
        )?;
    let changes = outcome.embedded_documents + outcome.changed + outcome.removed;
    if interrupted || changes > 0 {
        if interrupted || changes >= WORTH_SAYING {
            bars.say("optimizing the vector index");
        }
        ingestion.optimize().await.context(
            "everything is indexed, but searches stay slower than need be until the same command \
             is run again",
        )?;
        ingestion.remove_unreferenced().await?;
    }
    app.data().optimized()?;
    bars.finish();
    Ok(())
}

async fn both_halves(
    app: &App,
    ingestion: &Ingestion,
    documents: &Documents,
    bars: &Bars,
    outcome: &mut Outcome,
) -> Result<()> {
    let started = Instant::now();
    let mut words = stream::iter(&documents.libraries)
        .map(|library| ingestion.process_library_documentation(library))
        .buffered(LIBRARIES_AT_ONCE);
    while let Some(started) = words.try_next().await? {
        outcome.documents += started.document_count;
        outcome.changed += started.changed;
        outcome.unchanged += started.unchanged;
        outcome.removed += started.removed;
        outcome.skip(&started.library_id, started.skipped);
        // Not before: a source of which nothing is indexed takes no id from others.
        if started.document_count > 0
            && let Some(origin) = documents.origin(&started.library_id)
        {
            app.data().claim(&started.library_id, origin)?;
        }
    }
    outcome.words = true;
    bars.searchable(started.elapsed(), app.is_shared());
    let mut failed = 0;
    let mut vectors = stream::iter(&documents.libraries)
        .map(|library| ingestion.embed_library(library))
        .buffered(LIBRARIES_AT_ONCE);
    while let Some(embedded) = vectors.try_next().await? {
        outcome.embedded_documents += embedded.documents;
        outcome.embedded_chunks += embedded.chunks;
        failed += embedded.failed.len();
        outcome.skip(&embedded.library_id, embedded.failed);
    }
    if failed > 0 && outcome.embedded_documents == 0 {
        bail!("none of {failed} documents could be embedded");
    }
    Ok(())
}

/// What an index run did.
#[derive(Default)]
struct Outcome {
    /// Every library came through the first half: the counts are complete.
    words: bool,
    documents: u64,
    changed: u64,
    unchanged: u64,
    removed: u64,
    embedded_documents: u64,
    embedded_chunks: u64,
    seconds: f64,
    skipped: Vec<Skipped>,
}

impl Outcome {
    fn skip(&mut self, library: &LibraryId, skipped: Vec<Skipped>) {
        self.skipped.extend(skipped.into_iter().map(|skip| Skipped {
            path: format!("{library} {}", skip.path),
            reason: skip.reason,
        }));
    }

    fn print(&self) -> Result<()> {
        if self.words {
            self.print_counts()?;
        }
        if !self.skipped.is_empty() {
            eprintln!("{} skipped:", self.skipped.len());
        }
        for skip in &self.skipped {
            eprintln!("  {}: {}", skip.path, skip.reason);
        }
        Ok(())
    }

    fn print_counts(&self) -> Result<()> {
        say!(
            "{} documents indexed ({} new or changed, {} unchanged, {} removed), {} chunks \
             embedded in {:.1} s",
            self.documents,
            self.changed,
            self.unchanged,
            self.removed,
            self.embedded_chunks,
            self.seconds,
        );
        Ok(())
    }
}
