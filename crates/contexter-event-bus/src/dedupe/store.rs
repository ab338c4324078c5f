//! Where a bus remembers what was handled.

use std::sync::Arc;
use std::time::Duration;

use super::{Begin, DedupeKey, DedupeStore, DeliveryId, MemoryDedupe};
use crate::contained::Contained;
use crate::transport::TransportError;

/// The store of a bus. Its own one answers at once, and costs no boxed future for each event.
#[derive(Clone, Debug)]
pub(crate) enum Store {
    Memory(Arc<MemoryDedupe>),
    Given(Arc<dyn DedupeStore>),
}

impl Store {
    pub(crate) fn given(store: Arc<dyn DedupeStore>) -> Self {
        Self::Given(Arc::new(Contained::new(store)))
    }

    pub(super) async fn begin(
        &self,
        key: &DedupeKey,
        by: &DeliveryId,
        lease: Duration,
    ) -> Result<Begin, TransportError> {
        match self {
            Self::Memory(memory) => Ok(memory.begin_now(key, by, lease)),
            Self::Given(store) => store.begin(key, by, lease).await,
        }
    }

    pub(super) async fn done(&self, key: &DedupeKey) -> Result<(), TransportError> {
        match self {
            Self::Memory(memory) => {
                memory.done_now(key);
                Ok(())
            }
            Self::Given(store) => store.done(key).await,
        }
    }

    pub(crate) async fn release(
        &self,
        key: &DedupeKey,
        by: &DeliveryId,
    ) -> Result<(), TransportError> {
        match self {
            Self::Memory(memory) => {
                memory.release_now(key, by);
                Ok(())
            }
            Self::Given(store) => store.release(key, by).await,
        }
    }

    pub(super) fn outlives_processes(&self) -> bool {
        match self {
            Self::Memory(_) => false,
            Self::Given(store) => store.outlives_processes(),
        }
    }
}
