//! Every interleaving of two threads on the state machines, by loom.
//!
//! `RUSTFLAGS="--cfg contexter_loom" cargo test --profile ci -p contexter-limit --lib models`

mod bulkhead;
mod rate;
