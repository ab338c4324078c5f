//! `status` and `libraries`: what is indexed and how the services are.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use contexter_model::LibraryId;
use contexter_monitor::HealthReport;
use contexter_qdrant::edge::inspect;
use contexter_rag::ingest::{Ledger, LibraryCounts};
use serde_json::json;

use crate::app::{Access, App};
use crate::data::DataFolder;
use crate::health;
use crate::output::say;
use crate::services::recorded_space;
use crate::settings::Settings;

pub(crate) async fn status(settings: Settings, json: bool) -> Result<()> {
    let data = DataFolder::open(&settings.data())?;
    let ledger = Ledger::read(&data.ledger())?;
    let libraries = ledger.libraries();
    // A run that was killed at its very start has no store yet.
    let store = inspect(data.store()).ok();
    let space = recorded_space(&settings, &data);
    let holder = match &settings.services.qdrant {
        Some(_) => data.is_held().then(|| "another process".to_owned()),
        None => store
            .and_then(|store| store.holder)
            .map(|holder| holder.to_string()),
    };
    let report = if holder.is_some() {
        // Somebody works on it: show what they reported last.
        health::read(&data.health())
    } else {
        match own_report(settings, &data).await {
            Ok(report) => Some(report),
            Err(error) => {
                eprintln!("the services cannot be opened: {error:#}");
                None
            }
        }
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
        say!("{status}");
        return Ok(());
    }
    say!("data        {}", data.path().display());
    if let Some(holder) = holder {
        say!("in use by   {holder}; health as it reported last");
    }
    if let Some(space) = space {
        say!("embedder    {} ({})", space.id, space.kind);
    }
    say!("libraries   {}", libraries.len());
    say!("documents   {}", total.documents);
    say!(
        "chunks      {}, {} with vectors",
        total.chunks,
        total.embedded_chunks
    );
    if let Some(report) = report {
        say!("\n{report}");
    }
    Ok(())
}

/// Opens the services for a moment and asks how they are; downloads nothing.
async fn own_report(mut settings: Settings, data: &DataFolder) -> Result<HealthReport> {
    settings.offline = true;
    let choice = settings.choice()?;
    let (access, patience) = (Access::Read, Duration::ZERO);
    let app = Box::pin(App::open(settings, data, choice, None, access, patience)).await?;
    let report = app.health_report().await;
    app.close().await?;
    Ok(report)
}

pub(crate) fn libraries(settings: &Settings, json: bool) -> Result<()> {
    let data = DataFolder::open(&settings.data())?;
    let libraries = Ledger::read(&data.ledger())?.libraries();
    if json {
        say!("{}", serde_json::to_string(&libraries)?);
        return Ok(());
    }
    let width = libraries
        .keys()
        .map(|id| id.as_str().len())
        .max()
        .unwrap_or(0);
    for (id, counts) in &libraries {
        say!(
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
