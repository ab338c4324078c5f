//! The far side that faces of services call: a scripted operation as a request.

use std::future::{Future, poll_fn, ready};
use std::task::{Context, Poll, Waker};

use contexter_conformance::Unsupported;
use contexter_conformance::resilience::{
    Call, Failure, Fault, Instance, Op, Reply, Running, Value, ready_at_once,
};
use contexter_retry::Repeat;
use contexter_service::Cx;
use futures_util::TryFutureExt;
use futures_util::future::MapErr;

/// A request to run an operation.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) op: Op,
    pub(crate) cx: Cx,
}

impl Request {
    pub(crate) fn new(op: &Op) -> Self {
        Self::with(op, Cx::new())
    }

    pub(crate) fn with(op: &Op, cx: Cx) -> Self {
        Self { op: op.clone(), cx }
    }
}

/// Sends requests again, and tells them their attempt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ByRequest;

impl Repeat<Request> for ByRequest {
    fn cx(&self, request: &Request) -> Cx {
        request.cx
    }

    fn copy(&self, request: &Request) -> Option<Request> {
        Some(request.clone())
    }

    fn prepare(&self, request: &mut Request, cx: Cx) {
        request.cx = cx;
    }
}

pub(crate) type Ran = MapErr<Running, fn(Fault) -> Failure>;

/// Runs an operation whose error is already the flat one.
pub(crate) fn run(op: &Op, cx: Cx) -> Ran {
    op.begin(cx).map_err(Failure::Op)
}

/// The far side as a service of ours.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FarSide;

impl contexter_service::Service<Request> for FarSide {
    type Response = Value;
    type Error = Failure;

    fn call(&self, request: Request) -> impl Future<Output = Reply> + Send {
        run(&request.op, request.cx)
    }
}

/// The far side as a service of tower, made ready for each call.
#[derive(Clone, Debug)]
pub(crate) struct TowerFarSide(Instance);

impl TowerFarSide {
    pub(crate) fn new(op: &Op) -> Self {
        Self(op.instance())
    }
}

impl tower_service::Service<Request> for TowerFarSide {
    type Response = Value;
    type Error = Failure;
    type Future = Ran;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(self.0.ready().map_err(Failure::Op))
    }

    fn call(&mut self, request: Request) -> Ran {
        self.0.begin(request.cx).map_err(Failure::Op)
    }
}

/// Calls a tower service as its contract says: ready first, and then at once.
pub(crate) fn tower_call<S>(mut service: S, request: Request) -> Call
where
    S: tower_service::Service<Request, Response = Value, Error = Failure> + Send + 'static,
    S::Future: Send + 'static,
{
    match service.poll_ready(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(())) => Box::pin(service.call(request)),
        Poll::Ready(Err(error)) => Box::pin(ready(Err(error))),
        Poll::Pending => Box::pin(async move {
            poll_fn(|cx| service.poll_ready(cx)).await?;
            service.call(request).await
        }),
    }
}

/// As [`tower_call`], for a call that is ready at once, without a box.
pub(crate) fn tower_at_once<S>(mut service: S, request: Request) -> Result<Reply, Unsupported>
where
    S: tower_service::Service<Request, Response = Value, Error = Failure>,
{
    match ready_at_once(poll_fn(|cx| service.poll_ready(cx)))? {
        Ok(()) => ready_at_once(service.call(request)),
        Err(error) => Ok(Err(error)),
    }
}
