//! The budget on a clock that stands still.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

impl ThrottleBudget {
    async fn admit(&self) -> Result<Admission, Limited> {
        self.admit_within(MAX_WAIT).await
    }
}

/// The window without eight seconds.
const REST: Duration = Duration::from_secs(292);

/// The window without five seconds.
const MOST: Duration = Duration::from_secs(295);

/// How long a call waits until it is admitted; `None` if it is refused.
async fn wait(budget: &ThrottleBudget) -> Option<Duration> {
    let start = DefaultClock.now();
    budget.admit().await.ok()?;
    Some(DefaultClock.now().saturating_duration_since(start))
}

#[tokio::test(start_paused = true)]
async fn pauses_double_until_a_call_passes() {
    let budget = ThrottleBudget::new();
    assert_eq!(wait(&budget).await, Some(Duration::ZERO));
    for seconds in [2, 4, 8, 16, 32, 32] {
        let pause = Duration::from_secs(seconds);
        assert_eq!(budget.refused(None, true), pause);
        assert_eq!(budget.pause_left(), pause);
        assert_eq!(wait(&budget).await, Some(pause));
    }
    budget.passed();
    assert_eq!(budget.refused(None, true), 2 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn calls_refused_together_are_one_refusal_for_the_pause_and_several_for_the_budget() {
    let budget = ThrottleBudget::new();
    for _ in 0..4 {
        assert_eq!(budget.refused(None, true), 2 * SECOND);
    }
    assert_eq!(budget.left(), 4);
    assert_eq!(wait(&budget).await, Some(2 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn the_wait_that_is_asked_for_counts_and_a_long_one_refuses() {
    let budget = ThrottleBudget::new();
    assert_eq!(budget.refused(Some(7 * SECOND), true), 7 * SECOND);
    assert_eq!(wait(&budget).await, Some(7 * SECOND));
    budget.refused(Some(90 * SECOND), true);
    let limited = budget.admit().await.unwrap_err();
    assert_eq!(limited.retry_after, Some(90 * SECOND));
    DefaultClock.sleep(40 * SECOND).await;
    assert_eq!(wait(&budget).await, Some(50 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_no_longer_than_it_has_time() {
    let budget = ThrottleBudget::new();
    budget.refused(Some(7 * SECOND), true);
    let limited = budget.admit_within(6 * SECOND).await.unwrap_err();
    assert_eq!(limited.retry_after, Some(7 * SECOND));
    assert_eq!(budget.pause_left(), 7 * SECOND);
    assert!(budget.admit_within(7 * SECOND).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_refusal_by_one_target_counts_and_stops_nobody_else() {
    let budget = ThrottleBudget::new();
    assert_eq!(budget.refused(None, false), 2 * SECOND);
    assert_eq!(wait(&budget).await, Some(Duration::ZERO));
    assert_eq!(budget.left(), BUDGET - 1);
}

#[tokio::test(start_paused = true)]
async fn a_used_up_budget_refuses_until_the_first_refusal_leaves_the_window() {
    let budget = ThrottleBudget::new();
    for _ in 0..BUDGET {
        budget.refused(Some(Duration::ZERO), true);
        DefaultClock.sleep(SECOND).await;
    }
    let limited = budget.admit().await.unwrap_err();
    assert_eq!(limited.retry_after, Some(REST));
    DefaultClock.sleep(REST).await;
    assert_eq!(wait(&budget).await, Some(Duration::ZERO));
    assert_eq!(budget.left(), 1);
}

#[tokio::test(start_paused = true)]
async fn calls_under_way_count_as_if_they_were_refused() {
    let budget = ThrottleBudget::new();
    budget.refused(None, false);
    let mut under_way = Vec::new();
    for _ in 1..BUDGET {
        under_way.push(budget.admit().await.unwrap());
    }
    assert_eq!((budget.left(), budget.under_way()), (7, 7));
    // Nobody ends: who waits is refused after a minute.
    let start = DefaultClock.now();
    let limited = budget.admit().await.unwrap_err();
    assert_eq!(limited.retry_after, None);
    assert_eq!(
        DefaultClock.now().saturating_duration_since(start),
        MAX_WAIT
    );
    // One ends: one of those who wait is admitted.
    let (mut one, mut two) = (pin!(budget.admit()), pin!(budget.admit()));
    let second = DefaultClock.sleep(SECOND);
    tokio::select! {
        _ = &mut one => panic!("nobody has ended"),
        _ = &mut two => panic!("nobody has ended"),
        () = second => {}
    }
    under_way.pop();
    let (admitted, refused) = tokio::join!(one, two);
    assert_eq!((admitted.is_ok(), refused.is_ok()), (true, false));
    assert_eq!(budget.under_way(), 7);
    drop((admitted, under_way));
    assert_eq!(budget.under_way(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_refused_makes_no_room_for_another() {
    let budget = ThrottleBudget::new();
    let mut under_way: Vec<_> = Vec::new();
    for _ in 0..BUDGET {
        under_way.push(budget.admit().await.unwrap());
    }
    let waiting = {
        let budget = budget.clone();
        tokio::spawn(async move { budget.admit().await.map(drop) })
    };
    tokio::task::yield_now().await;
    for admission in under_way {
        budget.refused(Some(Duration::ZERO), true);
        drop(admission);
    }
    let limited = waiting.await.unwrap().unwrap_err();
    assert_eq!(limited.retry_after, Some(WINDOW));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_leaves_the_window_makes_room() {
    let budget = ThrottleBudget::new();
    budget.refused(None, false);
    DefaultClock.sleep(MOST).await;
    let mut under_way = Vec::new();
    for _ in 1..BUDGET {
        under_way.push(budget.admit().await.unwrap());
    }
    assert_eq!(wait(&budget).await, Some(5 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn refusals_beyond_the_budget_are_remembered() {
    let budget = ThrottleBudget::new();
    for _ in 0..BUDGET + 5 {
        budget.refused(Some(Duration::ZERO), true);
        DefaultClock.sleep(SECOND).await;
    }
    // Six have to leave before there is room for one.
    let limited = budget.admit().await.unwrap_err();
    assert_eq!(limited.retry_after, Some(REST));
}

#[test]
fn what_is_shared_is_found_by_its_origin() {
    let one = ThrottleBudget::shared("https://throttle-test.example/a");
    one.refused(Some(Duration::ZERO), true);
    assert_eq!(
        ThrottleBudget::shared("https://throttle-test.example").left(),
        BUDGET - 1
    );
    assert_eq!(
        ThrottleBudget::shared("https://throttle-test.example:8443").left(),
        BUDGET
    );
}
