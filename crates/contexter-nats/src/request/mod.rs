//! Requests and replies, which are not stored.

mod answer;
mod ask;
mod limit;
mod waiting;

pub(crate) use answer::Answering;
