//! Fusing the rankings of several search legs into one.
//!
//! The one implementation for every store: a store that can fuse by itself does so as an
//! optimisation and must agree with it.

mod method;
mod notation;

pub use method::{Fusion, InvalidWeights};
pub use notation::InvalidFusion;
