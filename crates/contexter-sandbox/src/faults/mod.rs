//! Scripted faults: which reply goes wrong, and how.

mod decide;
mod fault;
mod inject;
mod plain_reply;
mod script;
mod server;
mod spoil;
mod vendor;
mod written;

pub use decide::Faults;
pub(crate) use decide::mix;
pub use fault::{
    ContentTypeFault, CutFault, DripFault, Fault, FaultKind, GrpcStatusFault, OversizeFault,
    RateLimitFault, StatusFault,
};
pub(crate) use inject::{Layer, inject};
pub use script::{FaultScript, Rule};
pub use server::Server;
