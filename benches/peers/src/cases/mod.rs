//! All cases, by group.

mod base;
pub(crate) mod closed;
mod keyed;
mod limit;
mod open;
mod pipeline;
mod retry;
mod seatbelt_layers;

use std::sync::Arc;

use crate::case::Case;
use crate::options::Options;

/// Makes the cases that were asked for; must be called inside of a runtime.
pub(crate) fn all(options: &Options) -> Vec<Arc<Case>> {
    let mut cases = Vec::new();
    base::add(&mut cases);
    closed::add_floors(&mut cases);
    closed::add_peers(&mut cases);
    closed::add_ours(&mut cases);
    keyed::add_ours(&mut cases);
    open::add_peers(&mut cases);
    open::add_ours(&mut cases);
    retry::add_peers(&mut cases);
    retry::add_ours(&mut cases);
    pipeline::add(&mut cases);
    limit::add_peers(&mut cases);
    limit::add_ours(&mut cases);
    cases
        .into_iter()
        .filter(|case| case.name.contains(&options.filter))
        .map(Arc::new)
        .collect()
}
