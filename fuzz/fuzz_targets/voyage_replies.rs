//! Replies of Voyage AI.
//!
//! Whatever comes is read or refused as a breach of the protocol, in one line that repeats nothing of
//! it. What is read has one vector for each text, all of one length, with finite values; chunks are
//! those that were asked for, and an order names each document once.
//!
//! The first byte says what was asked, the rest is the body.

#![no_main]

use contexter_model::{Error, ErrorKind, Purpose, Rerank};
use contexter_voyage::{
    Content, Dtype, EmbedChunks, EmbedMultimodal, EmbedTexts, JobRequest, RerankTexts, Vectors,
};
use libfuzzer_sys::fuzz_target;

const DIMENSION: u32 = 8;

fuzz_target!(|bytes: &[u8]| {
    let Some((&asked, body)) = bytes.split_first() else {
        return;
    };
    let dtype = match asked % 5 {
        0 => Dtype::Float,
        1 => Dtype::Int8,
        2 => Dtype::Uint8,
        3 => Dtype::Binary,
        _ => Dtype::Ubinary,
    };
    let count = usize::from(asked / 5 % 4);
    texts(count, dtype, body);
    chunks(count, dtype, body);
    multimodal(count, dtype, body);
    order(count, asked >= 128, body);
});

fn texts(count: usize, dtype: Dtype, body: &[u8]) {
    let request = EmbedTexts::new(vec!["text"; count], Purpose::Query)
        .with_dimension(DIMENSION)
        .with_dtype(dtype);
    match request.read_reply(body) {
        Ok(reply) => check(&reply.vectors, count, dtype),
        Err(error) => check_error(&error),
    }
}

fn chunks(count: usize, dtype: Dtype, body: &[u8]) {
    let request = EmbedChunks::documents(vec![["chunk", "other"]; count])
        .with_dimension(DIMENSION)
        .with_dtype(dtype);
    match request.read_reply(body) {
        Ok(reply) => {
            assert_eq!(reply.documents.len(), count);
            for document in reply.documents {
                check(&document.vectors, 2, dtype);
                let texts = document.texts;
                assert!(texts.is_none_or(|texts| texts.len() == 2));
            }
        }
        Err(error) => check_error(&error),
    }
}

fn multimodal(count: usize, dtype: Dtype, body: &[u8]) {
    let request = EmbedMultimodal::new(vec![vec![Content::text("text")]; count], None)
        .with_dimension(DIMENSION)
        .with_dtype(dtype);
    match request.read_reply(body) {
        Ok(reply) => check(&reply.vectors, count, dtype),
        Err(error) => check_error(&error),
    }
}

fn order(count: usize, limited: bool, body: &[u8]) {
    let mut order = Rerank::new("query", vec!["document"; count]);
    order.limit = limited.then_some(2);
    let expected = if limited { count.min(2) } else { count };
    match RerankTexts::new(order).read(body) {
        Ok(reply) => {
            assert_eq!(reply.ranking.len(), expected);
            assert!(reply.ranking.iter().all(|ranked| ranked.score.is_finite()));
            assert!(reply.ranking.is_sorted_by(|a, b| a.score >= b.score));
            let mut places: Vec<usize> = reply.ranking.iter().map(|one| one.index).collect();
            places.sort_unstable();
            places.dedup();
            assert_eq!(places.len(), expected);
            assert!(places.iter().all(|place| *place < count));
        }
        Err(error) => check_error(&error),
    }
}

fn check(vectors: &Vectors, count: usize, dtype: Dtype) {
    assert_eq!(vectors.dtype(), dtype);
    assert_eq!(vectors.len(), count);
    let length = dtype.length(DIMENSION);
    match vectors {
        Vectors::Float(vectors) => {
            for vector in vectors {
                assert_eq!(vector.len(), length);
                assert!(vector.iter().all(|value| value.is_finite()));
            }
        }
        Vectors::Int8(vectors) | Vectors::Binary(vectors) => {
            assert!(vectors.iter().all(|vector| vector.len() == length));
        }
        Vectors::Uint8(vectors) | Vectors::Ubinary(vectors) => {
            assert!(vectors.iter().all(|vector| vector.len() == length));
        }
        other => panic!("a type that was not asked for: {other:?}"),
    }
}

fn check_error(error: &Error) {
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert!(!error.message().contains(char::is_control));
    assert!(error.message().len() < 200);
}
