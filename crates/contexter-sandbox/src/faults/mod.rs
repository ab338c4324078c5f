//! Scripted faults: which reply goes wrong, and how.

mod decide;
mod inject;
mod plain_reply;
mod script;
mod spoil;

pub use decide::Faults;
pub(crate) use decide::mix;
pub(crate) use inject::{Layer, inject};
pub use script::{
    ContentTypeFault, CutFault, DripFault, Fault, FaultKind, FaultScript, GrpcStatusFault,
    OversizeFault, RateLimitFault, Rule, Server, StatusFault,
};
