//! Finding the services of the flow and preparing the collection that it writes.

use contexter_discovery::Discovery;
use contexter_model::{CollectionSpec, Distance, EnsureCollection, Filter};
use contexter_service::{Capability, Handle, Service as _};

use super::commit::{Store, on_ledger};
use super::driver::Environment;
use super::ledger::Ledger;
use crate::{IntegrationError, payload};

/// Creates or verifies the collection, and empties a ledger that describes another one or promises
/// more than it holds.
pub(super) async fn open_collection(
    environment: &Environment,
    ensure: &Handle<EnsureCollection>,
    store: &Store,
) -> Result<(), IntegrationError> {
    let name = &store.collection;
    let failed = |error| {
        IntegrationError::new("open", format!("cannot open the collection {name:?}"))
            .with_source(error)
    };
    let spec = CollectionSpec {
        name: name.clone(),
        space: environment.embedding.space().clone(),
        distance: Distance::Cosine,
        keyword_fields: payload::KEYWORD_FIELDS.map(str::to_owned).to_vec(),
    };
    ensure.call(EnsureCollection(spec)).await.map_err(failed)?;
    let stored = store.count(Filter::all()).await.map_err(failed)?;
    let reset = |error| IntegrationError::new("open", "cannot reset the ledger").with_source(error);
    let place = store.place.clone();
    let another = on_ledger(&environment.ledger, move |ledger| ledger.turn_to(&place));
    if let Some(another) = another.await.map_err(reset)? {
        tracing::warn!(
            another,
            "the ledger described another collection: documents are indexed again"
        );
    }
    let counts = environment.ledger.libraries();
    let promised: u64 = counts.values().map(|counts| counts.chunks).sum();
    if stored < promised {
        tracing::warn!(
            stored,
            promised,
            "the store lost points: documents are indexed again"
        );
        on_ledger(&environment.ledger, Ledger::forget_entries)
            .await
            .map_err(reset)?;
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
