//! Keys and passwords must not be seen: not in errors, logs, debug output or labels of metrics.

use std::error::Error as StdError;
use std::fmt;
use std::io::{self, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use contexter_model::Error;
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use parking_lot::Mutex;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

/// In every key and password of the tests, and nowhere else.
pub(crate) const MARK: &str = "l34km4rk";

/// So long a part of the mark tells as well that something leaked, such as a key that was cut.
const PART: usize = 6;

/// The base64 of what ends in the mark looks different; of all three places in which it can begin.
const ENCODED: [&str; 3] = ["bDM0a200cm", "wzNGttNHJr", "MzRrbTRya"];

static LEAKS: Mutex<Vec<String>> = Mutex::new(Vec::new());
static LINES: AtomicU64 = AtomicU64::new(0);
static LABELS: AtomicU64 = AtomicU64::new(0);

/// Watches logs and metrics from now on, in the whole process.
pub(crate) fn watch() {
    static ONCE: OnceLock<()> = OnceLock::new();

    ONCE.get_or_init(|| {
        tracing_subscriber::fmt()
            .with_env_filter(EnvFilter::new("debug,contexter=trace"))
            .with_ansi(false)
            // The fields of a span are seen also where nothing happens in it.
            .with_span_events(FmtSpan::NEW | FmtSpan::CLOSE)
            .with_writer(|| Watch)
            .init();
        metrics::set_global_recorder(Labels).unwrap();
    });
}

/// Fails if anything leaked so far, or nothing was watched.
pub(crate) fn assert_none() {
    let leaks = LEAKS.lock();
    let (count, first) = (leaks.len(), leaks.iter().take(10).collect::<Vec<_>>());
    assert!(leaks.is_empty(), "keys leaked {count} times: {first:#?}");
    for (seen, what) in [(&LINES, "line of log"), (&LABELS, "label of a metric")] {
        assert!(seen.load(Ordering::Relaxed) > 0, "no {what} was seen");
    }
}

/// Checks a text that a user may see.
pub(crate) fn check(text: &str) {
    if holds_mark(text) {
        LEAKS.lock().push(text.to_owned());
    }
}

/// Checks an error with its causes, as people and as developers see it.
pub(crate) fn check_error(error: &Error) {
    check_chain(error);
    check(&format!("{error:?} {error:#?}"));
    let line = error.to_string();
    assert!(!line.contains('\n'), "more than a line: {line:?}");
}

fn check_chain(error: &dyn StdError) {
    check(&error.to_string());
    if let Some(cause) = error.source() {
        check_chain(cause);
    }
}

/// Checks the debug output of anything.
pub(crate) fn check_debug(value: &impl fmt::Debug) {
    check(&format!("{value:?} {value:#?}"));
}

fn holds_mark(text: &str) -> bool {
    // What does not show hides letters from nobody who reads them.
    let shown = text.to_ascii_lowercase().replace('\u{200b}', "");
    let parts = (0..=MARK.len() - PART).map(|start| &MARK[start..start + PART]);
    parts.into_iter().any(|part| shown.contains(part))
        || ENCODED.iter().any(|encoded| text.contains(encoded))
}

/// Gets every line of log.
struct Watch;

impl Write for Watch {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        LINES.fetch_add(1, Ordering::Relaxed);
        check(&text);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Gets every name and label of a metric, and keeps no value.
struct Labels;

impl Labels {
    fn check(key: &Key) {
        check(key.name());
        for label in key.labels() {
            LABELS.fetch_add(1, Ordering::Relaxed);
            check(label.key());
            check(label.value());
        }
    }
}

impl Recorder for Labels {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Self::check(key);
        Counter::noop()
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Self::check(key);
        Gauge::noop()
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Self::check(key);
        Histogram::noop()
    }
}

#[test]
fn the_mark_is_seen_in_part_too_and_within_base64() {
    // `user:l34km4rk`, `a:l34km4rk` and `ab:l34km4rk`.
    for text in [
        "dXNlcjpsMzRrbTRyaw==",
        "YTpsMzRrbTRyaw==",
        "YWI6bDM0a200cms=",
    ] {
        assert!(holds_mark(text), "{text}");
    }
    for text in [
        "key=pa-l34km4rk-1",
        "L34KM4RK",
        "pa-l34km4…",
        "l3\u{200b}4km4rk",
    ] {
        assert!(holds_mark(text), "{text}");
    }
    assert!(!holds_mark("pa-[redacted]"));
}
