//! Policies serve any thread, and so must what they are made of.

use std::rc::Rc;

use contexter_breaker::Breaker;
use contexter_timeout::Timeout;

fn for_another_thread(_: impl Send) {}

fn hand_over(timeout: Timeout, breaker: Breaker) {
    for_another_thread((timeout, Rc::new(breaker)));
}

fn main() {}
