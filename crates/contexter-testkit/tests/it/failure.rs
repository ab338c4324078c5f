//! What a test's author sees when a server does not start.

use std::time::Duration;

use contexter_testkit::{Builder, Error, Redis, require};

#[test]
fn a_missing_program_is_answered_with_the_line_that_installs_it() {
    let error = Builder::new("no-such-server", "some-package", "tcp")
        .start()
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "no-such-server is not installed; run: \
         apt-get install -y --no-install-recommends some-package"
    );
}

#[test]
fn a_server_that_ends_shows_its_log() {
    require!("redis-server");
    let error = Redis::builder()
        .args(["--no-such-option", "1"])
        .start()
        .unwrap_err();
    let Error::Ended { status, log, .. } = error else {
        panic!("{error:?}")
    };
    assert!(!status.success());
    assert!(log.contains("no-such-option"), "{log}");
}

#[test]
fn a_server_that_is_never_ready_is_given_up_and_killed() {
    let folder = tempfile::tempdir().unwrap();
    let pid_file = folder.path().join("pid");
    let script = format!(
        "echo $$ > {}; echo asleep; exec sleep 1000",
        pid_file.display()
    );
    let deaf = Builder::new("sh", "dash", "tcp").args(["-c", &script]);
    let error = deaf
        .ready_within(Duration::from_millis(300))
        .start()
        .unwrap_err();
    let Error::NotReady { log, .. } = error else {
        panic!("{error:?}")
    };
    assert_eq!(log, "asleep\n");
    let pid = std::fs::read_to_string(pid_file).unwrap();
    assert!(!crate::parent::is_running(pid.trim()));
}
