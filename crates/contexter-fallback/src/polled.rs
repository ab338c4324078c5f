//! What happens to a caller that polls a future after its end.

#[cold]
#[expect(
    clippy::panic,
    reason = "polling a finished future is a defect of the caller"
)]
pub(crate) fn panic_polled_again() -> ! {
    panic!("a call was polled after it had ended")
}
