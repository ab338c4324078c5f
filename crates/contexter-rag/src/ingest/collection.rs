//! Finding the services of the flow and preparing the collection that it writes.

use contexter_discovery::Discovery;
use contexter_model::{CollectionSpec, Count, Distance, EnsureCollection, Filter};
use contexter_service::{Capability, Handle, Service as _};

use super::driver::Environment;
use super::ledger::Ledger;
use super::settings::IngestionSettings;
use crate::{IntegrationError, payload};

/// Creates or verifies the collection, and empties a ledger that promises more than it holds.
pub(super) async fn open_collection(
    environment: &Environment,
    settings: &IngestionSettings,
    ensure: &Handle<EnsureCollection>,
    count: &Handle<Count>,
) -> Result<(), IntegrationError> {
    let failed = |error| {
        let name = &settings.collection;
        IntegrationError::new("open", format!("cannot open the collection {name:?}"))
            .with_source(error)
    };
    let spec = CollectionSpec {
        name: settings.collection.clone(),
        space: environment.embedding.space().clone(),
        distance: Distance::Cosine,
        keyword_fields: payload::KEYWORD_FIELDS.map(str::to_owned).to_vec(),
    };
    ensure.call(EnsureCollection(spec)).await.map_err(failed)?;
    let request = Count {
        collection: settings.collection.clone(),
        filter: Filter::all(),
    };
    let stored = count.call(request).await.map_err(failed)?;
    let counts = environment.ledger.libraries();
    let promised: u64 = counts.values().map(|counts| counts.chunks).sum();
    if stored < promised {
        tracing::warn!(
            stored,
            promised,
            "the store lost points: documents are indexed again"
        );
        super::commit::on_ledger(&environment.ledger, Ledger::forget_entries)
            .await
            .map_err(|error| {
                IntegrationError::new("open", "cannot reset the ledger").with_source(error)
            })?;
    }
    Ok(())
}

/// Finds healthy services and names those that are missing.
pub(super) struct Finder<'a>(pub(super) &'a Discovery);

impl Finder<'_> {
    pub(super) fn named<Req: Capability>(&self) -> Result<(String, Handle<Req>), IntegrationError> {
        self.0.find::<Req>().map_err(|error| {
            IntegrationError::new(
                "discover",
                format!("no healthy service offers {}", Req::NAME),
            )
            .with_source(error)
        })
    }

    pub(super) fn handle<Req: Capability>(&self) -> Result<Handle<Req>, IntegrationError> {
        self.named().map(|(_, handle)| handle)
    }
}
