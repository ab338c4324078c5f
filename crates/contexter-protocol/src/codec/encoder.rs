//! Encoding many events.

use bytes::{Bytes, BytesMut};

use super::binary;
use super::{Encoded, LimitExceeded};
use crate::event::IntegrationEvent;
use crate::json;

/// How large the memory is that small bodies share.
const SHARED: usize = 8 * 1024;

/// The largest body that shares its memory with others, so that one that is kept keeps little.
const SMALL: usize = SHARED / 8;

/// Encodes events one after the other, whose small bodies share memory.
///
/// A body that is kept keeps up to 8 KiB of others with it.
///
/// # Examples
///
/// ```
/// use contexter_protocol::{IntegrationEvent, codec};
///
/// let mut encoder = codec::Encoder::default();
/// for to in ["size", "height"] {
///     let data = serde_json::json!({ "to": to });
///     let event = IntegrationEvent::builder("search", "index.renamed").data(data).build()?;
///     assert_eq!(encoder.encode_binary(&event)?, codec::encode_binary(&event)?);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct Encoder {
    shared: BytesMut,
    one: Vec<u8>,
}

impl Encoder {
    /// Encodes an event as [`encode_binary`](super::encode_binary) does.
    ///
    /// # Errors
    ///
    /// Returns [`LimitExceeded`] if the event is larger than [`decode`](super::decode) reads.
    pub fn encode_binary<'e>(
        &mut self,
        event: &'e IntegrationEvent,
    ) -> Result<Encoded<'e>, LimitExceeded> {
        binary::encode(event, |data| {
            self.one.clear();
            json::write(data, &mut self.one);
            self.body()
        })
    }

    /// Copies the body that was written last out of the way of the next.
    fn body(&mut self) -> Bytes {
        let size = self.one.len();
        if size > SMALL {
            return std::mem::take(&mut self.one).into();
        }
        if self.shared.capacity() < size {
            self.shared = BytesMut::with_capacity(SHARED);
        }
        self.shared.extend_from_slice(&self.one);
        self.shared.split().freeze()
    }
}
