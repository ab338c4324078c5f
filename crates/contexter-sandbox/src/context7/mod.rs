//! A local Context7.
//!
//! Written from the vendor's documentation (`docs/openapi.json`, `docs/api-guide.mdx` and
//! `docs/search-api.mdx` of <https://github.com/upstash/context7>, read in November 2026): library
//! search, context, search through several libraries, and the superseded endpoints for reading.
//!
//! What a search finds is decided by words, without a model. Not documented, and chosen here: a
//! request that is refused as malformed takes nothing of the allowance.

mod config;
mod corpus;
mod current;
mod finding;
mod params;
mod pieces;
mod quota;
mod refusal;
mod reply;
mod routes;
mod superseded;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use parking_lot::Mutex;

use crate::error::Error;
use pieces::Indexed;
use quota::Quota;
use refusal::Refusal;

pub use config::{Context7Config, LibraryDocs, State as LibraryState};

/// A local Context7. Clones are the same server.
#[derive(Clone)]
pub struct Context7 {
    catalogue: Arc<Catalogue>,
}

/// What the server knows, and has counted.
struct Catalogue {
    config: Context7Config,
    libraries: BTreeMap<String, Indexed>,
    /// How many requests each library still answers with "not finalized".
    unfinished: Mutex<BTreeMap<String, u32>>,
    account: Mutex<Quota>,
    anonymous: Mutex<Quota>,
    requests: AtomicU64,
    refused: AtomicU64,
}

impl Context7 {
    pub(crate) fn new(config: Context7Config) -> Result<Self, Error> {
        config.validate()?;
        let libraries = config.libraries.values().cloned();
        let (per_minute, per_month) = config.anonymous.unwrap_or((1, 1));
        let unfinished = config.libraries.values();
        Ok(Self {
            catalogue: Arc::new(Catalogue {
                unfinished: Mutex::new(
                    unfinished
                        .filter(|library| library.unfinished_calls > 0)
                        .map(|library| (library.id.clone(), library.unfinished_calls))
                        .collect(),
                ),
                libraries: libraries
                    .map(|library| (library.id.clone(), Indexed::new(library)))
                    .collect(),
                account: Mutex::new(Quota::new(config.per_minute, config.per_month, false)),
                anonymous: Mutex::new(Quota::new(per_minute, Some(per_month), true)),
                requests: AtomicU64::new(0),
                refused: AtomicU64::new(0),
                config,
            }),
        })
    }

    pub(crate) fn router(&self) -> Router {
        routes::router(Arc::clone(&self.catalogue))
    }

    /// Returns the key that it takes.
    #[must_use]
    pub fn api_key(&self) -> &str {
        &self.catalogue.config.api_key
    }

    /// Returns how many requests arrived, those that a fault kept away not counted.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.catalogue.requests.load(Ordering::Relaxed)
    }

    /// Returns how many requests got no documentation, for whatever reason.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.catalogue.refused.load(Ordering::Relaxed)
    }

    /// Returns how many calls the account has used of its month.
    #[must_use]
    pub fn calls_counted(&self) -> u64 {
        self.catalogue.account.lock().used()
    }
}

impl fmt::Debug for Context7 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context7")
            .field("libraries", &self.catalogue.libraries.len())
            .field("requests", &self.requests())
            .finish_non_exhaustive()
    }
}

impl Catalogue {
    /// Returns a library whose documentation can be read, or why it cannot.
    fn open(&self, id: &str, tag: Option<&str>) -> Result<&Indexed, Refusal> {
        if let Some(to) = self.config.moved.get(id) {
            let to = match tag {
                Some(tag) => format!("{to}/{tag}"),
                None => to.clone(),
            };
            return Err(Refusal::moved(id, &to));
        }
        let library = self
            .libraries
            .get(id)
            .ok_or_else(|| Refusal::unknown_library(id))?;
        match library.about.state {
            config::State::Private => return Err(Refusal::private(id)),
            config::State::Processing => return Err(Refusal::not_finalized(id)),
            config::State::TooLarge => return Err(Refusal::too_large(id)),
            config::State::Finalized => {}
        }
        let mut unfinished = self.unfinished.lock();
        if let Some(left) = unfinished.get_mut(id) {
            *left -= 1;
            if *left == 0 {
                unfinished.remove(id);
            }
            return Err(Refusal::not_finalized(id));
        }
        Ok(library)
    }

    fn is_finalized(&self, library: &Indexed) -> bool {
        library.about.state == config::State::Finalized
            && !self.unfinished.lock().contains_key(&library.about.id)
    }
}
