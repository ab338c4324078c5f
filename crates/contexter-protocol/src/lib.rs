//! Messages and CloudEvents of Contexter's services.

mod hash;
mod payload;
pub mod rag;

pub use hash::{Hash, InvalidHash};
pub use payload::EventPayload;
