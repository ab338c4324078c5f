//! Panics that are no test's own.

use std::panic;
use std::sync::OnceLock;

use parking_lot::Mutex;

static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Watches from now on, in the whole process.
pub(crate) fn watch() {
    static ONCE: OnceLock<()> = OnceLock::new();

    ONCE.get_or_init(|| {
        let told = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            // The checks of results panic here, in this folder.
            let place = info.location().map(ToString::to_string).unwrap_or_default();
            if !place.contains("tests/faults/") {
                PANICS.lock().push(place);
            }
            told(info);
        }));
    });
}

/// Fails if anything but a check panicked so far.
pub(crate) fn assert_none() {
    let panics = PANICS.lock();
    assert!(panics.is_empty(), "panics at {panics:?}");
}
