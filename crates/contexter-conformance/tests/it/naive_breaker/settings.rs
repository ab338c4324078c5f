//! Which settings are refused.

use contexter_conformance::resilience::{BreakerSettings, Trip};

pub(super) fn faults(settings: &BreakerSettings) -> Vec<String> {
    let mut faults = Vec::new();
    let mut fault = |wrong: bool, text: &str| {
        if wrong {
            faults.push(text.to_owned());
        }
    };
    let no_rate = |rate: f64| !(rate > 0.0 && rate <= 1.0);
    match settings.trip {
        Trip::Streak(failures) => fault(failures == 0, "streak"),
        Trip::CountWindow {
            size,
            minimum,
            rate,
        } => {
            fault(no_rate(rate), "rate");
            fault(size == 0, "size");
            fault(minimum == 0 || minimum > size, "minimum");
        }
        Trip::TimeWindow {
            length,
            minimum,
            rate,
        } => {
            fault(no_rate(rate), "rate");
            fault(length.is_zero(), "length");
            fault(minimum == 0, "minimum");
        }
        _ => {}
    }
    if let Some(slow) = settings.slow {
        fault(slow.threshold.is_zero() || no_rate(slow.rate), "slow");
    }
    if let Some(growth) = settings.growth {
        fault(
            !(growth.factor >= 1.0 && growth.factor.is_finite()),
            "factor",
        );
        fault(growth.cap < settings.break_for, "cap");
    }
    fault(settings.break_for.is_zero(), "break");
    fault(settings.probes == 0, "probes");
    fault(settings.successes == 0, "successes");
    fault(
        settings.half_open_for.is_some_and(|limit| limit.is_zero()),
        "half-open",
    );
    faults
}
