//! The layers of seatbelt, as its documentation sets them up.

use std::time::Duration;

use seatbelt::{RecoveryInfo, ResilienceContext};

use crate::operation::{Error, Outcome};

pub(crate) fn context() -> ResilienceContext<u64, Outcome> {
    ResilienceContext::new(tick::Clock::new_tokio())
}

pub(crate) fn recovery(outcome: &Outcome) -> RecoveryInfo {
    match outcome {
        Ok(_) => RecoveryInfo::never(),
        Err(_) => RecoveryInfo::retry(),
    }
}

pub(crate) fn recovery_unless_open(outcome: &Outcome) -> RecoveryInfo {
    match outcome {
        Err(Error::Open) => RecoveryInfo::never(),
        outcome => recovery(outcome),
    }
}

/// How long its timeout is.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// A breaker on a window of time. A macro, because the type of a layer names its closures.
macro_rules! breaker {
    ($context:expr) => {
        seatbelt::breaker::Breaker::layer("breaker", $context)
            .recovery_with(|outcome: &crate::operation::Outcome, _| {
                crate::cases::seatbelt_layers::recovery(outcome)
            })
            .rejected_input_error(|_, _| crate::operation::Error::Open)
    };
}

macro_rules! retry {
    ($context:expr) => {
        seatbelt::retry::Retry::layer("retry", $context)
            .clone_input()
            .recovery_with(|outcome: &crate::operation::Outcome, _| {
                crate::cases::seatbelt_layers::recovery_unless_open(outcome)
            })
    };
}

macro_rules! timeout {
    ($context:expr) => {
        seatbelt::timeout::Timeout::layer("timeout", $context)
            .timeout(crate::cases::seatbelt_layers::LIMIT)
            .timeout_error(|_| crate::operation::Error::Elapsed)
    };
}

pub(crate) use {breaker, retry, timeout};
