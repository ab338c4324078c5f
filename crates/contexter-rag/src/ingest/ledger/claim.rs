//! One ingestion at a time for each index.

use std::collections::BTreeSet;

use parking_lot::Mutex;

use super::{Ledger, LedgerError};

/// The names of the indexes that an ingestion of this process has open. By name, since a journal may
/// have been opened twice.
static OPEN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// The right to write an index, until it is dropped.
#[derive(Debug)]
pub(in crate::ingest) struct Claim {
    index: String,
}

impl Ledger {
    /// Takes the right to write the index.
    ///
    /// # Errors
    ///
    /// Returns [`LedgerError::InUse`] while somebody has it, and [`LedgerError::ReadOnly`].
    pub(in crate::ingest) fn claim(&self) -> Result<Claim, LedgerError> {
        let index = {
            let inner = self.inner.lock();
            let writable = inner.state.index.clone().filter(|_| inner.file.is_some());
            writable.ok_or_else(|| LedgerError::ReadOnly {
                path: self.path.clone(),
            })?
        };
        if !OPEN.lock().insert(index.clone()) {
            return Err(LedgerError::InUse {
                path: self.path.clone(),
            });
        }
        Ok(Claim { index })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        OPEN.lock().remove(&self.index);
    }
}
