//! Requests and replies, which are not stored.

mod answer;
mod ask;
mod end;

pub(crate) use answer::Answering;
