//! What is known of the server's collections.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use contexter_model::CollectionSpec;
use parking_lot::Mutex;
use tokio::time::Instant;

/// How long a description is believed. An alias may name another collection meanwhile, switched by
/// somebody else; the server itself refuses vectors that do not fit.
const BELIEVED: Duration = Duration::from_mins(1);

/// How many descriptions are kept; only collections that exist have one.
const MOST: usize = 1_024;

/// Descriptions of collections by the names under which they were asked for, aliases included.
///
/// Each query needs the measure and the indexed fields of its collection; asking for them each time
/// would double its cost.
#[derive(Debug, Default)]
pub(super) struct Known {
    specs: Mutex<HashMap<String, (Instant, Arc<CollectionSpec>)>>,
}

impl Known {
    pub(super) fn get(&self, name: &str) -> Option<Arc<CollectionSpec>> {
        let specs = self.specs.lock();
        let (since, spec) = specs.get(name)?;
        (since.elapsed() < BELIEVED).then(|| Arc::clone(spec))
    }

    pub(super) fn learn(&self, name: &str, spec: CollectionSpec) -> Arc<CollectionSpec> {
        let spec = Arc::new(spec);
        let mut specs = self.specs.lock();
        if specs.len() >= MOST {
            specs.clear();
        }
        specs.insert(name.to_owned(), (Instant::now(), Arc::clone(&spec)));
        spec
    }

    pub(super) fn forget(&self, name: &str) {
        self.specs.lock().remove(name);
    }

    pub(super) fn forget_all(&self) {
        self.specs.lock().clear();
    }
}
