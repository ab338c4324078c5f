//! Shard keys: a collection here is one shard, which has none.

use qdrant_client::qdrant::ShardKeySelector;
use qdrant_client::qdrant::shard_key::Key;
use tonic::Status;

use super::status;

/// Refuses to look for a shard by its key, as the server does where there is no such key.
pub(super) fn refuse(selector: Option<&ShardKeySelector>) -> Result<(), Status> {
    let mut keys = selector
        .into_iter()
        .flat_map(|selector| &selector.shard_keys);
    match keys.find_map(|key| key.key.as_ref()) {
        None => Ok(()),
        Some(Key::Keyword(key)) => Err(status::bad_request(format_args!(
            "Shard key \"{key}\" not found"
        ))),
        Some(Key::Number(key)) => Err(status::bad_request(format_args!(
            "Shard key {key} not found"
        ))),
    }
}
