//! `eval`: measures retrieval on a collection in BEIR form.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::{Context as _, Result, bail};
use contexter_model::{LibraryId, PointId};
use contexter_rag::evaluation::{Evaluation, Report, read_qrels, read_queries};
use contexter_rag::ingest::{Division, Ledger};
use contexter_rag::{HybridSearchEngine, Mode, SearchRequest, chunk_id};

use crate::app::{Access, App};
use crate::bars::Bars;
use crate::cli::Eval;
use crate::corpus::CorpusAdapter;
use crate::data::DataFolder;
use crate::output::say;
use crate::services::PATIENCE;
use crate::settings::Settings;

/// How deep rankings are judged: recall@100 is the deepest metric.
const DEPTH: usize = 100;

pub(crate) async fn run(mut settings: Settings, args: Eval) -> Result<()> {
    let mode = args.mode.unwrap_or(settings.search.mode);
    if args.fusion.is_some() {
        settings.search.fusion = args.fusion;
    }
    let folder = args
        .collection
        .canonicalize()
        .with_context(|| format!("cannot read the collection {}", args.collection.display()))?;
    let (queries, qrels) = (read_queries(&folder)?, read_qrels(&folder)?);
    if !queries.iter().any(|query| qrels.contains_key(&query.id)) {
        let folder = folder.display();
        bail!("qrels/test.tsv of {folder} judges no query of queries.jsonl");
    }
    let name = folder.file_name().unwrap_or(folder.as_os_str());
    let name = name.to_string_lossy().into_owned();
    let library = library_id(&name)?;
    let choice = settings.choice()?;
    let key = key(&folder, &choice.to_string());
    let data = match &settings.data {
        Some(data) => DataFolder::create(data)?.evaluation(&key),
        None => cache_folder()?.join(key),
    };
    let data = DataFolder::create(&data)?;
    // In this process, never on a server: what is measured is nothing that others should find.
    settings.services.qdrant = None;
    let corpus = CorpusAdapter::new(folder, library.clone());
    let blank = corpus.blank();
    let (source, access) = (Some(Arc::new(corpus) as _), Access::Write);
    let app = Box::pin(App::open(settings, &data, choice, source, access, PATIENCE)).await?;
    let ingestion = app.ingestion(Division::Whole).await?;
    let bars = Bars::follow(&ingestion);
    let started = ingestion.process_library_documentation(&library).await?;
    if let Some(skipped) = started.skipped.first() {
        bail!("{}: {}", skipped.path, skipped.reason);
    }
    if let blank @ 1.. = blank.load(Ordering::Relaxed) {
        eprintln!("note: {blank} documents hold no text and are left out: nothing finds them");
    }
    if mode != Mode::Sparse {
        let embedded = ingestion.embed_library(&library).await?;
        if let Some(failed) = embedded.failed.first() {
            bail!("{}: {}", failed.path, failed.reason);
        }
    }
    if started.changed > 0 {
        ingestion.optimize().await?;
    }
    bars.finish();
    let engine = app.search_engine()?;
    let documents = documents(&app.ledger, &library);
    let mut evaluation = Evaluation::new(&qrels);
    for query in queries.iter().filter(|query| qrels.contains_key(&query.id)) {
        let found = ranking(&engine, &library, &query.text, mode).await?;
        let found = found.iter().filter_map(|(id, score)| {
            documents
                .get(id)
                .map(|document| (document.as_str(), *score))
        });
        evaluation.add(&query.id, found);
    }
    print(&evaluation.report(name, mode.as_str()), args.json)?;
    drop(ingestion);
    app.close().await
}

async fn ranking(
    engine: &HybridSearchEngine,
    library: &LibraryId,
    query: &str,
    mode: Mode,
) -> Result<Vec<(PointId, f32)>> {
    if query.trim().is_empty() {
        return Ok(Vec::new());
    }
    let request = SearchRequest::new(query)
        .with_library(Some(library.clone()))
        .with_mode(mode)
        .with_limit(DEPTH);
    let hits = engine.ids(&request).await?;
    Ok(hits.into_iter().map(|hit| (hit.id, hit.score)).collect())
}

/// Which document each point stands for: documents are indexed whole.
fn documents(ledger: &Ledger, library: &LibraryId) -> HashMap<PointId, String> {
    let entries = ledger.library_entries(library).into_iter();
    entries
        .map(|entry| (chunk_id(library, &entry.path, 0), entry.path))
        .collect()
}

fn library_id(name: &str) -> Result<LibraryId> {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let name: String = name.chars().map(plain).collect();
    Ok(format!("/eval/{name}").parse()?)
}

/// Where indexes of collections are kept between runs, so that vectors are computed once.
fn cache_folder() -> Result<PathBuf> {
    use etcetera::BaseStrategy as _;
    let cache = etcetera::choose_base_strategy()?.cache_dir();
    Ok(cache.join("contexter").join("eval"))
}

/// The name of a collection's index.
fn key(collection: &Path, embedder: &str) -> String {
    let key = format!("{embedder} {}", collection.display());
    let key = contexter_storage::hash(key.as_bytes()).to_string();
    key.get(..16).unwrap_or(&key).to_owned()
}

fn print(report: &Report, json: bool) -> Result<()> {
    if json {
        say!("{}", serde_json::to_string(report)?);
        return Ok(());
    }
    say!("collection  {}", report.collection);
    say!("mode        {}", report.mode);
    say!("queries     {}", report.queries);
    say!("nDCG@10     {:.4}", report.ndcg_at_10);
    say!("MRR@10      {:.4}", report.mrr_at_10);
    say!("recall@10   {:.4}", report.recall_at_10);
    say!("recall@100  {:.4}", report.recall_at_100);
    Ok(())
}
