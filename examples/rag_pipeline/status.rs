//! `status` and `libraries`: what is indexed and how the services are.

use std::collections::BTreeMap;

use anyhow::Result;
use contexter_model::LibraryId;
use contexter_qdrant::edge::inspect;
use contexter_rag::ingest::{Ledger, LibraryCounts};
use serde_json::json;

use crate::app::App;
use crate::data::DataFolder;
use crate::health;
use crate::settings::Settings;

pub(crate) async fn status(settings: Settings, json: bool) -> Result<()> {
    let data = DataFolder::open(&settings.data)?;
    let ledger = Ledger::read(&data.ledger())?;
    let libraries = ledger.libraries();
    let store = inspect(data.store())?;
    let embedder = store
        .collections
        .iter()
        .find(|c| c.spec.name == settings.collection);
    let space = embedder.map(|found| found.spec.space.clone());
    let holder = store.holder.map(|holder| holder.to_string());
    let report = if holder.is_some() {
        // Somebody works on it: show what they reported last.
        health::read(&data.health())
    } else {
        let choice = settings.choice()?;
        let app = App::open(settings, &data, choice, None).await?;
        let report = app.health_report().await;
        app.close().await?;
        Some(report)
    };
    let total = total(&libraries);
    if json {
        let status = json!({
            "data": data.path(),
            "held_by": holder,
            "embedding_space": space,
            "libraries": libraries.len(),
            "documents": total.documents,
            "chunks": total.chunks,
            "embedded_chunks": total.embedded_chunks,
            "health": report,
        });
        println!("{status}");
        return Ok(());
    }
    println!("data        {}", data.path().display());
    if let Some(holder) = holder {
        println!("in use by   {holder}; health as it reported last");
    }
    if let Some(space) = space {
        println!("embedder    {} ({})", space.id, space.kind);
    }
    println!("libraries   {}", libraries.len());
    println!("documents   {}", total.documents);
    println!(
        "chunks      {}, {} with vectors",
        total.chunks, total.embedded_chunks
    );
    if let Some(report) = report {
        println!("\n{report}");
    }
    Ok(())
}

pub(crate) fn libraries(settings: &Settings, json: bool) -> Result<()> {
    let data = DataFolder::open(&settings.data)?;
    let libraries = Ledger::read(&data.ledger())?.libraries();
    if json {
        println!("{}", serde_json::to_string(&libraries)?);
        return Ok(());
    }
    let width = libraries
        .keys()
        .map(|id| id.as_str().len())
        .max()
        .unwrap_or(0);
    for (id, counts) in &libraries {
        println!(
            "{:width$}  {} documents, {} chunks, {} with vectors",
            id.as_str(),
            counts.documents,
            counts.chunks,
            counts.embedded_chunks,
        );
    }
    if libraries.is_empty() {
        eprintln!("no library is indexed in {}", data.path().display());
    }
    Ok(())
}

fn total(libraries: &BTreeMap<LibraryId, LibraryCounts>) -> LibraryCounts {
    let mut total = LibraryCounts::default();
    for counts in libraries.values() {
        total.documents += counts.documents;
        total.chunks += counts.chunks;
        total.embedded_documents += counts.embedded_documents;
        total.embedded_chunks += counts.embedded_chunks;
    }
    total
}
