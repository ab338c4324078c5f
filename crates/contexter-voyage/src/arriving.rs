//! A reply of vectors of any type, from its first byte to what is returned.

use contexter_model::{Error, ErrorKind};

use crate::element::Element;
use crate::fault::Fault;
use crate::intake::Intake;
use crate::options::VectorOptions;
use crate::{Dtype, ModelKind, Vectors};

/// A request whose reply holds vectors.
pub(crate) trait VectorRequest {
    /// What is made of the reply.
    type Reply;

    /// The kind of its models.
    const KIND: ModelKind;

    fn options(&self) -> &VectorOptions;

    /// Reads a reply that has arrived.
    fn read<E: Element>(
        &self,
        arrived: Intake<E>,
        make: fn(Vec<Vec<E>>) -> Vectors,
    ) -> Result<Self::Reply, Fault>;
}

/// A reply as it arrives.
#[derive(Debug)]
pub(crate) enum Arriving {
    Float(Intake<f32>),
    Int8(Intake<i8>),
    Uint8(Intake<u8>),
    Binary(Intake<i8>),
    Ubinary(Intake<u8>),
}

impl Arriving {
    /// Awaits the reply to a request.
    pub(crate) fn new<R: VectorRequest>(request: &R) -> Self {
        let options = request.options();
        let length = options.length(R::KIND);
        match options.dtype {
            Dtype::Float => Self::Float(Intake::new(length)),
            Dtype::Int8 => Self::Int8(Intake::new(length)),
            Dtype::Uint8 => Self::Uint8(Intake::new(length)),
            Dtype::Binary => Self::Binary(Intake::new(length)),
            Dtype::Ubinary => Self::Ubinary(Intake::new(length)),
        }
    }

    /// Takes in the next piece of the body.
    pub(crate) fn push(&mut self, piece: &[u8]) {
        match self {
            Self::Float(intake) => intake.push(piece),
            Self::Int8(intake) | Self::Binary(intake) => intake.push(piece),
            Self::Uint8(intake) | Self::Ubinary(intake) => intake.push(piece),
        }
    }

    /// Reads the reply, whose last piece has been taken in.
    pub(crate) fn finish<R: VectorRequest>(self, request: &R) -> Result<R::Reply, Error> {
        let read = match self {
            Self::Float(intake) => request.read(intake, Vectors::Float),
            Self::Int8(intake) => request.read(intake, Vectors::Int8),
            Self::Uint8(intake) => request.read(intake, Vectors::Uint8),
            Self::Binary(intake) => request.read(intake, Vectors::Binary),
            Self::Ubinary(intake) => request.read(intake, Vectors::Ubinary),
        };
        read.map_err(|fault| Error::new(ErrorKind::Protocol, fault.to_string()))
    }
}

/// Reads a reply that is there.
pub(crate) fn read<R: VectorRequest>(request: &R, body: &[u8]) -> Result<R::Reply, Error> {
    let mut arriving = Arriving::new(request);
    arriving.push(body);
    arriving.finish(request)
}

#[cfg(test)]
mod tests {
    use allocation_counter::measure;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;
    use crate::EmbedTexts;

    /// A record of TLS.
    const PIECE: usize = 16 << 10;

    #[test]
    fn the_body_of_a_reply_is_never_held() {
        let vectors = vec![vec![0.5_f32; 1_024]; 128];
        let bytes: Vec<u8> = vectors[0].iter().flat_map(|v| v.to_le_bytes()).collect();
        let text = STANDARD.encode(bytes);
        let part = |index: usize| format!(r#"{{"embedding":"{text}","index":{index}}}"#);
        let parts: Vec<String> = (0..128).map(part).collect();
        let body = format!(r#"{{"data":[{}]}}"#, parts.join(","));
        let request = EmbedTexts::new(vec!["text"; 128], None).with_dimension(1_024);
        let mut reply = None;
        let counted = measure(|| {
            let mut arriving = Arriving::new(&request);
            for piece in body.as_bytes().chunks(PIECE).map(<[u8]>::to_vec) {
                arriving.push(&piece);
            }
            reply = Some(arriving.finish(&request));
        });
        let size = 128 * 1_024 * 4;
        assert!(counted.bytes_max >= size, "{counted:?}");
        assert!(counted.bytes_max <= size * 11 / 10, "{counted:?}");
        let read = reply.and_then(Result::ok).map(|reply| reply.vectors);
        assert_eq!(read, Some(Vectors::Float(vectors)));
    }
}
