//! The rules of breakers.

use crate::naive_breaker::{Flaw, Naive};
use crate::{assert_breaks, report_of};

#[track_caller]
fn breaks(flaw: Flaw, expected: &[u8]) {
    assert_breaks(flaw, expected, |suite| {
        suite.breaker("naive", move |settings, time| {
            Ok(Box::new(Naive::new(settings, time, flaw)?))
        });
    });
}

#[test]
fn a_breaker_without_a_flaw_keeps_every_rule() {
    breaks(Flaw::None, &[]);
}

#[test]
fn a_flaw_in_what_opens_it_is_found() {
    breaks(Flaw::NeverSlides, &[1]);
    breaks(Flaw::WaitsForTheWholeWindow, &[2, 10]);
    breaks(Flaw::RateIsExclusive, &[1, 3, 7, 8]);
    breaks(Flaw::KeepsOldFailures, &[4]);
    breaks(Flaw::KeepsEveryCall, &[5, 61]);
    breaks(Flaw::NeutralEndsStreaks, &[6, 8]);
    breaks(Flaw::NeutralIsFailure, &[6, 8, 30]);
    breaks(Flaw::IgnoresSlowCalls, &[7]);
    breaks(Flaw::WaitsForAWindowOfTime, &[9]);
    breaks(Flaw::DroppedTeachNothing, &[10, 18]);
    breaks(Flaw::DroppedAreFailures, &[10, 18]);
    breaks(Flaw::DefaultsForHighTraffic, &[11]);
}

#[test]
fn a_flaw_of_the_open_state_is_found() {
    breaks(Flaw::RefusalSaysNothing, &[13, 16]);
    breaks(Flaw::RefusalSaysTheWholeBreak, &[13]);
    breaks(Flaw::BreakIsAMomentLonger, &[14, 15, 16, 31]);
    breaks(Flaw::LateFailureExtendsTheBreak, &[15]);
    breaks(Flaw::BreaksNeverGrow, &[16]);
    breaks(Flaw::BreaksOverflow, &[16]);
    breaks(Flaw::BreaksKeepTheirLength, &[16]);
    breaks(Flaw::JitterPassesTheCap, &[16]);
}

#[test]
fn an_operation_begun_before_the_refusal_is_found() {
    let report = report_of(|suite| {
        suite.breaker("naive", |settings, time| {
            Ok(Box::new(Naive::new(
                settings,
                time,
                Flaw::BeginsBeforeItRefuses,
            )?))
        });
    });
    // Every scenario that needs a refusal sees it.
    assert!(report.failures().contains(&12), "{}", report.to_markdown());
}

#[test]
fn a_flaw_of_the_half_open_state_is_found() {
    breaks(Flaw::AdmitsAllProbes, &[17, 18, 20, 21, 22, 24, 25]);
    breaks(Flaw::DroppedProbeKeepsItsPlace, &[18]);
    breaks(Flaw::PanickedProbeKeepsItsPlace, &[19]);
    breaks(Flaw::NeutralProbeCloses, &[20]);
    breaks(Flaw::NeutralProbeKeepsItsPlace, &[20, 21]);
    breaks(Flaw::HungProbeStaysForEver, &[21]);
    breaks(Flaw::StaleSuccessCounts, &[22, 24]);
    breaks(Flaw::StaleFailureCounts, &[23, 24]);
    breaks(Flaw::StaleProbeCounts, &[24]);
    breaks(Flaw::OneSuccessCloses, &[24, 25]);
    breaks(Flaw::OneFailureOpens, &[25]);
    breaks(Flaw::WaitsForAllProbes, &[24, 25]);
}

#[test]
fn a_flaw_towards_others_is_found() {
    breaks(Flaw::TellsTwice, &[15, 26]);
    breaks(Flaw::IsolationExpires, &[27]);
    breaks(Flaw::ForcedClosedCounts, &[27]);
    breaks(Flaw::HandlesAreApart, &[17, 26, 28]);
    breaks(Flaw::ListenerPanicPassesThrough, &[30]);
    breaks(Flaw::ListensUnderTheLock, &[30]);
    breaks(Flaw::NewSettingsClose, &[31]);
    breaks(Flaw::NewSettingsExtendTheBreak, &[31]);
    breaks(Flaw::TakesBadSettings, &[32]);
    breaks(Flaw::NamesOneFaultOnly, &[32]);
    breaks(Flaw::GaugesAddUp, &[60]);
    breaks(Flaw::Allocates, &[61]);
}
