//! How a mechanism that drops an attempt says that this is no news about the far side.

use std::cell::Cell;

thread_local! {
    static SUPERSEDED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `give_up`, and lets whatever is dropped within know that the call was given up because
/// another attempt gave the outcome.
///
/// A call that is dropped before it ends may mean that the far side hangs, and mechanisms such as a
/// breaker can count it so. One that lost a race means nothing: the race would have dropped it
/// however healthy the far side is. Whoever races attempts, such as a hedge, drops the losers within
/// this; what is dropped asks [`is_superseded`], gives its place back and learns nothing.
///
/// It holds for this thread and until `give_up` returns or panics. Only what is dropped within is
/// marked: a loser that is handed to another thread, and dropped there, is not.
///
/// # Examples
///
/// ```
/// use contexter_service::{is_superseded, superseded};
///
/// struct Permit;
///
/// impl Drop for Permit {
///     fn drop(&mut self) {
///         assert!(is_superseded());
///     }
/// }
///
/// let loser = Permit;
/// superseded(|| drop(loser));
/// assert!(!is_superseded());
/// ```
pub fn superseded<R>(give_up: impl FnOnce() -> R) -> R {
    /// Restores what held before, also when unwinding.
    struct Scope {
        before: bool,
    }

    impl Drop for Scope {
        fn drop(&mut self) {
            SUPERSEDED.set(self.before);
        }
    }

    let _scope = Scope {
        before: SUPERSEDED.replace(true),
    };
    give_up()
}

/// Returns whether this thread is giving up a call because another attempt gave the outcome; see
/// [`superseded`].
#[must_use]
pub fn is_superseded() -> bool {
    SUPERSEDED.get()
}
