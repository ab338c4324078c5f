//! The stack as a tower layer.

use contexter_service::{FromTower, IntoTower, Timer};

use crate::{Guarded, StandardStack};

/// Every service of the layer shares the state of the stack.
///
/// The service must be `Clone`, and so must its requests: each attempt has its own. A call costs
/// one box more than [`StandardStack::run`], because its future cannot be named; the layers of the
/// single mechanisms need none. Every request counts as idempotent, with a weight of 1; where that
/// is not so, say so for each request:
/// `IntoTower::new(stack.service(FromTower::new(client)).context_by(|req: &Request| ...))`.
impl<S, T: Timer, K> tower_layer::Layer<S> for StandardStack<T, K> {
    type Service = IntoTower<Guarded<FromTower<S>, T, K>>;

    fn layer(&self, inner: S) -> Self::Service {
        IntoTower::new(self.service(FromTower::new(inner)))
    }
}
