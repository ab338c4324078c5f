//! The settings, from code and from files.

use std::time::Duration;

use contexter_chaos::{Chaos, Config};

fn faults(config: Config) -> Vec<String> {
    let Err(invalid) = config.validate() else {
        return Vec::new();
    };
    let built = config.build(|_cx| "injected").unwrap_err();
    assert_eq!(built, invalid);
    invalid
        .faults()
        .iter()
        .map(|fault| format!("{} {}", fault.field, fault.problem))
        .collect()
}

#[test]
fn nothing_is_injected_by_default() {
    let config = Config::new();
    assert_eq!(faults(config), [""; 0]);
    for rate in [
        config.error_rate,
        config.hang_rate,
        config.panic_rate,
        config.latency_rate,
    ] {
        assert!(rate <= 0.0);
    }
}

#[test]
fn every_fault_is_told_at_once() {
    let second = Duration::from_secs(1);
    let config = Config::new()
        .error_rate(f64::NAN)
        .hang_rate(-0.1)
        .panic_rate(1.5)
        .latency(f64::INFINITY, second, second / 2);
    assert_eq!(
        faults(config),
        [
            "error_rate must be 0 to 1, got NaN",
            "hang_rate must be 0 to 1, got -0.1",
            "panic_rate must be 0 to 1, got 1.5",
            "latency_rate must be 0 to 1, got inf",
            "max_latency must be at least min_latency 1s, got 500ms",
        ]
    );
}

#[test]
fn rates_of_which_a_call_meets_only_one_add_up_to_one_at_most() {
    let config = Config::new().error_rate(0.5).hang_rate(0.5);
    assert_eq!(faults(config), [""; 0]);
    assert_eq!(
        faults(config.panic_rate(0.25)),
        ["error_rate must be at most 1 with hang_rate and panic_rate, got 1.25"]
    );
    // 0.1 + 0.7 + 0.2 is a little off 1 in binary; latency is not of the sum.
    for (error, hang, panic) in [(0.1, 0.7, 0.2), (0.7, 0.1, 0.2), (0.3, 0.6, 0.1)] {
        let config = Config::new()
            .error_rate(error)
            .hang_rate(hang)
            .panic_rate(panic)
            .latency(1.0, Duration::ZERO, Duration::MAX);
        assert_eq!(faults(config), [""; 0]);
    }
}

#[test]
fn settings_are_read_and_written_as_people_write_them() {
    let text = r#"{
        "enabled": false, "seed": 42, "error_rate": 0.1, "hang_rate": 0, "panic_rate": 0.01,
        "latency_rate": 0.5, "min_latency": "10ms", "max_latency": "2s"
    }"#;
    let config: Config = serde_json::from_str(text).unwrap();
    let expected = Config::new()
        .enabled(false)
        .seed(42)
        .error_rate(0.1)
        .panic_rate(0.01)
        .latency(0.5, Duration::from_millis(10), Duration::from_secs(2));
    assert_eq!(config, expected);
    let written = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<Config>(&written).unwrap(), config);
    assert_eq!(serde_json::from_str::<Config>("{}").unwrap(), Config::new());
}

#[test]
fn a_setting_that_does_not_exist_is_refused() {
    let error = serde_json::from_str::<Config>(r#"{"eror_rate": 1}"#).unwrap_err();
    assert!(error.to_string().contains("eror_rate"), "{error}");
}

#[test]
fn bad_settings_change_nothing_at_run_time() {
    let chaos = Chaos::new(Config::new().seed(1).error_rate(0.5), |_cx| "injected").unwrap();
    let before = chaos.config();
    let off = Config::new().enabled(false).hang_rate(2.0);
    assert!(chaos.reconfigure(off).is_err());
    assert_eq!(chaos.config(), before);
    assert!(chaos.is_enabled());
    chaos.reconfigure(off.hang_rate(0.2)).unwrap();
    assert_eq!(chaos.config(), off.hang_rate(0.2));
    assert!(!chaos.clone().is_enabled());
}
