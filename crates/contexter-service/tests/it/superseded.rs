//! Calls that are given up because another attempt gave the outcome.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use contexter_service::{is_superseded, superseded};

#[test]
fn it_holds_for_what_is_given_up_within_and_no_longer() {
    assert!(!is_superseded());
    let within = superseded(|| {
        superseded(|| assert!(is_superseded()));
        is_superseded()
    });
    assert!(within, "the inner scope does not end the outer one");
    assert!(!is_superseded());
}

#[test]
fn it_holds_on_the_thread_that_gives_up() {
    let elsewhere = superseded(|| thread::spawn(is_superseded).join());
    assert!(!elsewhere.unwrap());
}

#[test]
fn a_panic_ends_it() {
    let gave_up = catch_unwind(AssertUnwindSafe(|| superseded(|| panic!("in a drop"))));
    assert!(gave_up.is_err());
    assert!(!is_superseded());
}
