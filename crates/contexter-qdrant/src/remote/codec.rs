//! Messages that are encoded already, as `tonic` sends them.

use std::marker::PhantomData;

use bytes::{Buf, BufMut, Bytes};
use prost::Message;
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

/// Sends encoded messages and decodes replies of the type `R`.
pub(super) struct Encoded<R>(PhantomData<fn() -> R>);

impl<R> Encoded<R> {
    pub(super) fn new() -> Self {
        Self(PhantomData)
    }
}

impl<R: Message + Default + 'static> Codec for Encoded<R> {
    type Encode = Bytes;
    type Decode = R;
    type Encoder = Pass;
    type Decoder = Decode<R>;

    fn encoder(&mut self) -> Pass {
        Pass
    }

    fn decoder(&mut self) -> Decode<R> {
        Decode(PhantomData)
    }
}

pub(super) struct Pass;

impl Encoder for Pass {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.reserve(message.remaining());
        buffer.put(message);
        Ok(())
    }
}

pub(super) struct Decode<R>(PhantomData<fn() -> R>);

impl<R: Message + Default + 'static> Decoder for Decode<R> {
    type Item = R;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<R>, Status> {
        R::decode(buffer)
            .map(Some)
            .map_err(|error| Status::internal(error.to_string()))
    }
}
