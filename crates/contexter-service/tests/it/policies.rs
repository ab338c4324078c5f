//! How policies nest.

use std::future::{Future, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use contexter_service::{Cx, Either, Policy};
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
    let eight = (
        Digit(1),
        Digit(2),
        Digit(3),
        Digit(4),
        Digit(5),
        Digit(6),
        Digit(7),
        Digit(8),
    );
    assert_eq!(digits(&eight), 12_345_678);
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
