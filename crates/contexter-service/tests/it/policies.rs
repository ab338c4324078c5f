//! How policies nest.

use std::future::{Future, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use contexter_service::{Cx, Either, Policy, Switch};
use futures_util::FutureExt;

/// Adds its number to the weight of the context, and multiplies it by ten before.
#[derive(Clone)]
struct Digit(u32);

impl<Out: Send> Policy<Out> for Digit {
    fn run<'a, Op, Fut>(&'a self, cx: Cx, op: Op) -> impl Future<Output = Out> + Send + 'a
    where
        Op: Fn(Cx) -> Fut + Clone + Send + Sync + 'a,
        Fut: Future<Output = Out> + Send + 'a,
        Out: 'a,
    {
        op(cx.with_weight(cx.weight() * 10 + self.0))
    }
}

/// Returns the digits of the policies in the order in which they ran.
fn digits(policy: &impl Policy<u32>) -> u32 {
    let cx = Cx::new().with_weight(0);
    policy
        .run(cx, |cx| ready(cx.weight()))
        .now_or_never()
        .unwrap()
}

#[test]
fn tuples_run_outermost_first() {
    assert_eq!(digits(&(Digit(1), Digit(2))), 12);
    assert_eq!(digits(&(Digit(1), (Digit(2), Digit(3)), Digit(4))), 1234);
    let [one, two, three, four, five, six, seven, eight] = [1, 2, 3, 4, 5, 6, 7, 8].map(Digit);
    assert_eq!(digits(&(&one, &two)), 12);
    assert_eq!(digits(&(&one, &two, &three)), 123);
    assert_eq!(digits(&(&one, &two, &three, &four)), 1234);
    assert_eq!(digits(&(&one, &two, &three, &four, &five)), 12_345);
    assert_eq!(digits(&(&one, &two, &three, &four, &five, &six)), 123_456);
    assert_eq!(
        digits(&(&one, &two, &three, &four, &five, &six, &seven)),
        1_234_567
    );
    assert_eq!(
        digits(&(one, two, three, four, five, six, seven, eight)),
        12_345_678
    );
}

#[test]
fn nothing_is_transparent() {
    assert_eq!(digits(&()), 0);
    assert_eq!(digits(&None::<Digit>), 0);
    assert_eq!(digits(&((), Digit(1), None::<Digit>, Some(Digit(2)))), 12);
}

#[test]
fn either_runs_the_one_it_is() {
    let pick = |left| -> Either<Digit, (Digit, Digit)> {
        if left {
            Either::Left(Digit(1))
        } else {
            Either::Right((Digit(2), Digit(3)))
        }
    };
    assert_eq!(digits(&pick(true)), 1);
    assert_eq!(digits(&pick(false)), 23);
}

#[test]
fn shared_and_borrowed_policies_are_policies() {
    let shared = Arc::new((Digit(1), Digit(2)));
    assert_eq!(digits(&(Arc::clone(&shared), &Digit(3))), 123);
}

#[test]
fn an_operation_starts_at_the_first_poll() {
    let started = AtomicU32::new(0);
    let op = |_cx| {
        started.fetch_add(1, Ordering::Relaxed);
        ready(())
    };
    drop(Policy::run(&(), Cx::new(), op));
    drop(Policy::run(&None::<Digit>, Cx::new(), op));
    assert_eq!(started.load(Ordering::Relaxed), 0);
    Policy::run(&(), Cx::new(), op).now_or_never().unwrap();
    assert_eq!(started.load(Ordering::Relaxed), 1);
}

/// Policies of every kind inside one another.
type Everything = Arc<(
    Option<Either<Digit, ()>>,
    (Arc<Digit>, Either<(), &'static Digit>),
    Switch<Digit, (Digit, Digit)>,
    Either<Option<()>, (Digit, Option<Arc<(Digit, ())>>)>,
)>;

fn everything() -> Everything {
    Arc::new((
        Some(Either::Left(Digit(1))),
        (Arc::new(Digit(2)), Either::Right(&Digit(3))),
        Switch::new(false, Digit(9), (Digit(4), Digit(5))),
        Either::Right((Digit(6), Some(Arc::new((Digit(7), ()))))),
    ))
}

#[test]
fn all_compositions_nest_in_one_another() {
    assert_eq!(digits(&everything()), 1_234_567);
}

#[tokio::test]
async fn a_task_runs_a_borrowed_client_under_all_compositions() {
    let task = tokio::spawn(async {
        let stack = everything();
        let (client, path) = (AtomicU32::new(5), String::from("/"));
        let get = async |path: &str| {
            tokio::task::yield_now().await;
            client.fetch_add(1, Ordering::Relaxed) + u32::try_from(path.len()).unwrap()
        };
        let (get, path) = (&get, path.as_str());
        stack.run(Cx::new(), move |_cx| get(path)).await
    });
    assert_eq!(task.await.unwrap(), 6);
}

#[test]
fn a_switch_is_shared_by_its_clones_and_a_call_keeps_the_policy_it_began_under() {
    let switch = Switch::new(true, Digit(1), Digit(2));
    let clone = switch.clone();
    let began = clone.run(Cx::new().with_weight(0), |cx| ready(cx.weight()));
    switch.set(false);
    assert!(!clone.is_on());
    assert_eq!(began.now_or_never(), Some(1));
    assert_eq!(digits(&clone), 2);
    switch.set(true);
    assert_eq!(digits(&clone), 1);
    assert_eq!((clone.first().0, clone.second().0), (1, 2));
}
