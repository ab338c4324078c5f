//! One thing to measure.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

type Run = Box<dyn Fn(u64) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// One thing to measure: a name `group/subject`, and what runs it a number of times in a row.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    run: Run,
}

impl Case {
    pub(crate) fn new<F, Fut>(name: &'static str, run: F) -> Self
    where
        F: Fn(u64) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        Self {
            name,
            run: Box::new(move |times| Box::pin(run(times))),
        }
    }

    /// Returns a future that runs the case `times` times: one box for all of them.
    pub(crate) fn run(&self, times: u64) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        (self.run)(times)
    }

    /// Whether several threads are to share it.
    pub(crate) fn is_shared(&self) -> bool {
        // A batch is too short to come by all of so many keys.
        let few_keys = !self.name.contains("10,000 keys");
        let group = self.name.starts_with("closed/") || self.name.starts_with("limit/");
        group && few_keys || self.name == "base/async fn"
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Case")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Adds a case to a list: what is shared is cloned once for a run, then `body` runs for each `i`.
///
/// The optional `first` block runs once at the start of each run, to bring about a state.
macro_rules! case {
    ($cases:ident, $name:expr, |$i:ident| $body:expr) => {
        $crate::case::case!(@ $cases, $name, [], {}, $i, $body)
    };
    ($cases:ident, $name:expr, $shared:ident, |$i:ident| $body:expr) => {
        $crate::case::case!(@ $cases, $name, [let $shared = $shared.clone()], {}, $i, $body)
    };
    ($cases:ident, $name:expr, mut $shared:ident, |$i:ident| $body:expr) => {
        $crate::case::case!(@ $cases, $name, [let mut $shared = $shared.clone()], {}, $i, $body)
    };
    ($cases:ident, $name:expr, $shared:ident, first $first:block, |$i:ident| $body:expr) => {
        $crate::case::case!(@ $cases, $name, [let $shared = $shared.clone()], $first, $i, $body)
    };
    ($cases:ident, $name:expr, mut $shared:ident, first $first:block, |$i:ident| $body:expr) => {
        $crate::case::case!(@ $cases, $name, [let mut $shared = $shared.clone()], $first, $i, $body)
    };
    (@ $cases:ident, $name:expr, [$($clone:stmt)?], $first:block, $i:ident, $body:expr) => {
        $cases.push($crate::case::Case::new($name, move |times| {
            $($clone)?
            async move {
                $first
                for $i in 0..times {
                    let $i = std::hint::black_box($i);
                    let _ = std::hint::black_box($body);
                }
            }
        }))
    };
}
pub(crate) use case;
