//! Settings.

use std::time::Duration;

use contexter_redis::{RedisConfig, RedisTransport};

#[test]
fn all_faults_are_named_at_once_and_the_url_is_not_shown() {
    let config = RedisConfig::new("http://user:s3cret@nowhere")
        .with_name("with space")
        .with_max_events(Some(0))
        .with_max_age(Some(Duration::from_millis(99)))
        .with_max_dead_letters(0)
        .with_max_payload(0)
        .with_block_time(Duration::ZERO)
        .with_timeouts(Duration::ZERO, Duration::ZERO, Duration::ZERO)
        .with_reconnect(Duration::from_secs(2), Duration::from_secs(1))
        .with_forget_after(Duration::ZERO);
    let faults = config.validate().unwrap_err();
    let fields: Vec<_> = faults.faults().iter().map(|fault| &*fault.field).collect();
    assert_eq!(
        fields,
        [
            "url",
            "name",
            "max_events",
            "max_age",
            "max_dead_letters",
            "max_payload",
            "block_time",
            "connect_timeout",
            "response_timeout",
            "publish_timeout",
            "reconnect_max",
            "forget_after",
        ]
    );
    assert!(faults.to_string().contains("99ms"), "{faults}");
    assert!(!format!("{faults} {faults:?} {config:?}").contains("s3cret"));
    assert!(RedisTransport::new(config).is_err());
}

#[test]
fn settings_are_read_with_humane_durations_and_no_unknown_names() {
    let config: RedisConfig = serde_json::from_str(
        r#"{ "url": "redis://h", "name": "orders", "block_time": "100ms", "max_events": null, "max_age": "7d" }"#,
    )
    .unwrap();
    assert_eq!(config.block_time, Duration::from_millis(100));
    assert_eq!(config.max_events, None);
    assert_eq!(config.max_age, Some(Duration::from_hours(7 * 24)));
    assert!(config.validate().is_ok());
    assert!(serde_json::from_str::<RedisConfig>(r#"{ "stream": "x" }"#).is_err());
    let shown = serde_json::to_string(&config).unwrap();
    assert!(!shown.contains("redis://h"), "{shown}");
}

#[test]
fn tls_is_refused_and_not_left_out_silently() {
    let faults = RedisConfig::new("rediss://h").validate().unwrap_err();
    assert_eq!(faults.faults().len(), 1);
}
