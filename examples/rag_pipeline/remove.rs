//! `remove`: takes a library out of the index.

use anyhow::Result;
use contexter_model::LibraryId;
use contexter_rag::ingest::Division;

use crate::app::{Access, App, unknown_library};
use crate::data::DataFolder;
use crate::output::say;
use crate::services::PATIENCE;
use crate::settings::Settings;

pub(crate) async fn run(settings: Settings, library: LibraryId) -> Result<()> {
    let data = DataFolder::open(&settings.data())?;
    let choice = settings.choice()?;
    let access = Access::Write;
    let app = Box::pin(App::open(settings, &data, choice, None, access, PATIENCE)).await?;
    let known = app.ledger.libraries().contains_key(&library);
    let ingestion = app.ingestion(Division::default()).await?;
    data.changes()?;
    let removed = ingestion.remove_library(&library).await?;
    ingestion.optimize().await?;
    ingestion.remove_unreferenced().await?;
    data.optimized()?;
    // Last, so that a run that ends before it can be done again.
    let claimed = data.release(&library)?;
    if !known && !claimed {
        return Err(unknown_library(&app.ledger, &library));
    }
    say!("{removed} documents of {library} removed");
    drop(ingestion);
    app.close().await
}
