//! Programs that assemble many crates; each is an example target of this package.

pub mod broker;
