//! A breaker as a policy needs an error type that takes up its refusal.

use contexter_breaker::Breaker;
use contexter_service::Policy;

struct AppError;

fn policy<E>(_: impl Policy<Result<(), E>>) {}

fn guarded(breaker: Breaker) {
    policy::<AppError>(breaker);
}

fn main() {}
