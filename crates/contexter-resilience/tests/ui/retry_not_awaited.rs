//! A retry does nothing unless it is awaited.

#![deny(unused_must_use)]

use contexter_retry::Retry;

fn forget(retry: &Retry) {
    retry.call(|| async { Err::<(), _>("refused") });
}

fn main() {}
