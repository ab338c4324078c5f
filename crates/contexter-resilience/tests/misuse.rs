//! Misuse that must not compile, and what the compiler says of it.
//!
//! The messages are those of the compiler that `rust-version` names. When a later one says the same
//! in other words, `TRYBUILD=overwrite cargo test -p contexter-resilience --test misuse` takes them
//! over; read the difference before it is committed.

#[test]
fn misuse_does_not_compile() {
    let misuse = trybuild::TestCases::new();
    misuse.compile_fail("tests/ui/*.rs");
}
