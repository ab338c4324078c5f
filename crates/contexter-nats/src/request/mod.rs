//! Requests and replies, which are not stored.

mod answer;
mod ask;

pub(crate) use answer::Answering;
