//! The rows that are reported, and what each is to reach.

use crate::report::{Figures, Row};

/// What a row compares.
enum Measure {
    /// The time of a call, ours and a peer's.
    Time {
        ours: &'static str,
        peer: &'static str,
    },
    /// How many times as long a call takes when two threads share the instance.
    Slowdown {
        ours: &'static str,
        peer: &'static str,
    },
    /// The most that any case of ours allocates in a call.
    Allocations,
}

/// One row, and its goal.
struct Goal {
    row: &'static str,
    measure: Measure,
    peer_name: &'static str,
    /// The largest ratio, slowdown or number of allocations that is good enough, if one is set.
    reach: Option<f64>,
}

const fn time(
    row: &'static str,
    ours: &'static str,
    peer: &'static str,
    peer_name: &'static str,
    reach: Option<f64>,
) -> Goal {
    Goal {
        row,
        measure: Measure::Time { ours, peer },
        peer_name,
        reach,
    }
}

const fn slowdown(
    row: &'static str,
    ours: &'static str,
    peer: &'static str,
    peer_name: &'static str,
    reach: Option<f64>,
) -> Goal {
    Goal {
        row,
        measure: Measure::Slowdown { ours, peer },
        peer_name,
        reach,
    }
}

const GOALS: &[Goal] = &[
    time(
        "closed_consecutive",
        "closed/ours (consecutive)",
        "closed/failsafe (consecutive only)",
        "failsafe, consecutive failures",
        Some(0.5),
    ),
    time(
        "closed_count",
        "closed/ours (count window)",
        "closed/recloser",
        "recloser",
        Some(1.0),
    ),
    time(
        "closed_window_slow",
        "closed/ours (time window, slow calls)",
        "closed/seatbelt (layered execute)",
        "seatbelt",
        Some(0.7),
    ),
    slowdown(
        "two_threads_consecutive",
        "closed/ours (consecutive)",
        "closed/recloser",
        "slowdown of recloser",
        Some(1.6),
    ),
    slowdown(
        "two_threads_window",
        "closed/ours (time window, slow calls)",
        "closed/seatbelt (layered execute)",
        "slowdown of seatbelt",
        Some(2.0),
    ),
    slowdown(
        "two_threads_count",
        "closed/ours (count window)",
        "closed/recloser",
        "slowdown of recloser",
        Some(3.0),
    ),
    time(
        "reject",
        "open/ours",
        "open/failsafe",
        "failsafe",
        Some(0.9),
    ),
    time(
        "retry_first_ok",
        "retry/ours",
        "retry/backon (exponential+jitter)",
        "backon, exponential with jitter",
        Some(1.0),
    ),
    time(
        "pipeline_ready",
        "pipe/ours",
        "pipe/seatbelt (layered execute)",
        "seatbelt",
        Some(0.5),
    ),
    time(
        "pipeline_pending",
        "pipe-pending/ours",
        "pipe-pending/by hand: backon+floor mutex+tokio timeout",
        "by hand: backon, mutex, tokio timeout",
        Some(1.0),
    ),
    time(
        "keyed_10k",
        "closed/ours (keyed, 10,000 keys)",
        "closed/seatbelt (16 keyed breakers, u64 id)",
        "seatbelt with 16 keys",
        Some(1.0),
    ),
    time(
        "rate_limit_admit",
        "limit/ours (rate)",
        "limit/governor",
        "governor",
        None,
    ),
    time(
        "bulkhead_admit",
        "limit/ours (bulkhead)",
        "limit/tokio Semaphore",
        "tokio Semaphore",
        None,
    ),
    Goal {
        row: "allocations",
        measure: Measure::Allocations,
        peer_name: "goal",
        reach: Some(0.0),
    },
];

/// A row, and how it stands to its goal.
#[derive(Clone, Debug)]
pub(crate) struct Judged {
    pub(crate) row: Row,
    /// What the goal is about, and its figure.
    pub(crate) figure: f64,
    pub(crate) reach: Option<f64>,
}

impl Judged {
    /// Whether the goal is met, if there is one.
    pub(crate) fn is_met(&self) -> Option<bool> {
        self.reach.map(|reach| self.figure <= reach)
    }
}

/// Makes the rows whose cases were measured.
pub(crate) fn rows(figures: &Figures) -> Vec<Judged> {
    GOALS
        .iter()
        .filter_map(|goal| goal.judge(figures))
        .collect()
}

impl Goal {
    fn judge(&self, figures: &Figures) -> Option<Judged> {
        let row = |ours, peer, unit, ratio| Row {
            row: self.row,
            ours,
            peer,
            peer_name: self.peer_name,
            unit,
            ratio,
        };
        let (row, figure) = match self.measure {
            Measure::Time { ours, peer } => {
                let (ours, peer) = (figures.time(ours)?, figures.time(peer)?);
                (row(ours, peer, "ns/call", ours / peer), ours / peer)
            }
            Measure::Slowdown { ours, peer } => {
                let (ours, peer) = (figures.slowdown(ours)?, figures.slowdown(peer)?);
                // The goal is our own slowdown, whatever that of the peer is.
                (row(ours, peer, "times as long", ours / peer), ours)
            }
            Measure::Allocations => {
                let most = figures.most_allocations()?;
                // Nothing can be set in proportion to a goal of none.
                (row(most, 0.0, "allocations/call", most), most)
            }
        };
        Some(Judged {
            row,
            figure,
            reach: self.reach,
        })
    }
}
