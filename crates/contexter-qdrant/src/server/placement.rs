//! Where something is kept, in the engine's terms: it knows the disk and the memory only.
//!
//! Old clients say it by flags, which count where nothing else is said.

use qdrant_client::qdrant::Memory;
use tonic::Status;

/// Whether something is to be on the disk, if that is said.
pub(super) fn on_disk(memory: Option<i32>, flag: Option<bool>) -> Result<Option<bool>, Status> {
    Ok(match known(memory)? {
        None => flag,
        Some(memory) => Some(memory == Memory::Cold),
    })
}

/// Whether something is always to be in memory, if that is said.
pub(super) fn always_ram(memory: Option<i32>, flag: Option<bool>) -> Result<Option<bool>, Status> {
    Ok(match known(memory)? {
        None => flag,
        Some(memory) => Some(memory == Memory::Pinned),
    })
}

/// Like [`on_disk`], of what nothing pins in memory.
pub(super) fn not_pinned(
    what: &str,
    memory: Option<i32>,
    flag: Option<bool>,
) -> Result<Option<bool>, Status> {
    if known(memory)? == Some(Memory::Pinned) {
        return Err(Status::invalid_argument(format!(
            "`pinned` memory placement is not supported for {what}"
        )));
    }
    on_disk(memory, flag)
}

fn known(memory: Option<i32>) -> Result<Option<Memory>, Status> {
    let Some(memory) = memory else {
        return Ok(None);
    };
    match Memory::try_from(memory) {
        Ok(Memory::Unknown) => Ok(None),
        Ok(known) => Ok(Some(known)),
        Err(_unknown) => Err(Status::invalid_argument(format!(
            "Cannot convert memory placement: {memory}"
        ))),
    }
}
