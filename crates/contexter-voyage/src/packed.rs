//! Requests of any size, through a service that takes small ones.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use contexter_model::{Error, ErrorKind};
use contexter_service::{Cx, DefaultClock, Service, Timer};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;

use crate::divisible::Divisible;
use crate::failure::TokenOverflow;
use crate::lane::Lane;
use crate::packing::{Cost, divide, pack};

/// A service of requests of any size, by one that has caps.
///
/// A request is cut into parts by items and tokens. Each part is one call under the stack of the
/// [`Lane`], with its tokens as weight and with its own repeats; some are under way at once. The
/// reply has the order of the request.
///
/// A part that is refused as too large is divided and never sent again as it was; a single item that
/// is too large is [`ErrorKind::TooLarge`] and named by its place. Any other failure of a part is the
/// failure of the request: nothing half done is returned.
///
/// A part whose turn in the quota is too far off waits until another part of its request has ended. So
/// the stack's deadline is that of a part, and a request takes as long as the quota needs for all of it,
/// an hour for an hour's worth of tokens, unless the deadline of its [`Cx`] comes first.
///
/// # Cancel safety
///
/// Dropping a call drops what is under way; parts that had reached the vendor are billed, and stay
/// booked in the quota.
///
/// # Examples
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// use std::sync::Arc;
///
/// use contexter_model::{Embed, Embeddings, Error, Purpose, Usage};
/// use contexter_resilience::{StackConfig, StandardStack};
/// use contexter_service::Service;
/// use contexter_voyage::{Caps, Lane, Packed};
///
/// struct Two;
///
/// impl Service<Embed> for Two {
///     type Response = Embeddings;
///     type Error = Error;
///
///     async fn call(&self, req: Embed) -> Result<Embeddings, Error> {
///         assert!(req.texts.len() <= 2);
///         let vectors = req.texts.iter().map(|text| vec![text.len() as f32]).collect();
///         Ok(Embeddings { vectors, usage: Usage::default() })
///     }
/// }
///
/// let stack = StandardStack::new(StackConfig::voyage_ai())?;
/// let packed = Packed::new(Two, Arc::new(Lane::new(stack, Caps::new(2, 1_000))));
/// let texts = ["a", "bc", "def"].map(str::to_owned).to_vec();
/// let reply = packed.call(Embed { texts, purpose: Purpose::Document }).await?;
/// assert_eq!(reply.vectors, [[1.0], [2.0], [3.0]]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Packed<S, T: Timer = DefaultClock> {
    service: S,
    lane: Arc<Lane<T>>,
}

impl<S: Clone, T: Timer> Clone for Packed<S, T> {
    fn clone(&self) -> Self {
        Self {
            service: self.service.clone(),
            lane: Arc::clone(&self.lane),
        }
    }
}

impl<S, T: Timer> Packed<S, T> {
    /// Packs requests for `service`.
    pub fn new(service: S, lane: Arc<Lane<T>>) -> Self {
        Self { service, lane }
    }

    /// Returns what its calls share with others.
    #[must_use]
    pub fn lane(&self) -> &Arc<Lane<T>> {
        &self.lane
    }

    /// Calls the service within the deadline of `cx`, and repeats parts only as it allows.
    ///
    /// # Errors
    ///
    /// The error of the first part that failed for good, or a rejection. A part whose turn in the quota
    /// comes after the deadline is [`ErrorKind::RateLimited`] at once, with the wait that it would take,
    /// and so is one whose turn the stack would not wait for while no other part is under way; one that
    /// finds all places taken until then is [`ErrorKind::Unavailable`].
    ///
    /// # Cancel safety
    ///
    /// As the type says.
    pub async fn call_with<Req>(&self, cx: Cx, req: Req) -> Result<Req::Reply, Error>
    where
        Req: Divisible,
        S: Service<Req, Response = Req::Reply, Error = Error>,
    {
        let costs = self.costs(&req);
        let mut waiting: VecDeque<Range<usize>> = pack(&costs, self.lane.caps()).into();
        let mut running = FuturesUnordered::new();
        let mut done = BTreeMap::new();
        // Whether a part was turned away since one has ended.
        let mut held = false;
        loop {
            while !held && running.len() < self.lane.concurrent() {
                let Some(part) = waiting.pop_front() else {
                    break;
                };
                running.push(self.one(cx, &req, &costs, part));
            }
            match running.next().await {
                None => break,
                Some((part, Ok(reply))) => {
                    held = false;
                    done.insert(part.start, reply);
                }
                Some((part, Err(error))) if !running.is_empty() && self.may_wait(cx, &error) => {
                    held = true;
                    waiting.push_front(part);
                }
                Some((part, Err(error))) if is_divisible(&error, &part) => {
                    held = false;
                    let pieces = divide(&costs, &part, pieces(&error));
                    tracing::debug!(
                        items = part.len(),
                        pieces = pieces.len(),
                        "a request that was too large is divided"
                    );
                    for piece in pieces.into_iter().rev() {
                        waiting.push_front(piece);
                    }
                }
                Some((part, Err(error))) => return Err(named::<Req>(error, &part, req.items())),
            }
        }
        Ok(req.join(done.into_iter().collect()))
    }

    /// Returns whether the quota turned a part away that may be tried again before the deadline of `cx`.
    fn may_wait(&self, cx: Cx, error: &Error) -> bool {
        let turned_away = error.is_rejection() && error.kind() == ErrorKind::RateLimited;
        let Some(wait) = error.retry_after().filter(|_| turned_away) else {
            return false;
        };
        cx.deadline().is_none_or(|deadline| {
            let now = self.lane.stack().timer().now();
            deadline.saturating_duration_since(now) >= wait
        })
    }

    fn costs<Req: Divisible>(&self, req: &Req) -> Vec<Cost> {
        let context = self.lane.caps().context;
        (0..req.items())
            .map(|index| {
                let mut cost = req.cost(index, self.lane.tokens());
                if req.truncates() {
                    // What is cut teaches nothing about what is not: so many bytes less count.
                    if let Some(cut) = cost.likely.checked_sub(context).filter(|cut| *cut > 0) {
                        let (cut, all) = (u128::from(cut), u128::from(cost.likely));
                        let bytes = u128::from(cost.bytes) * cut / all;
                        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
                        cost.bytes = cost.bytes.saturating_sub(bytes);
                    }
                    cost.most = cost.most.min(context);
                    cost.likely = cost.likely.min(context);
                }
                cost
            })
            .collect()
    }

    async fn one<Req>(
        &self,
        cx: Cx,
        req: &Req,
        costs: &[Cost],
        part: Range<usize>,
    ) -> (Range<usize>, Result<Req::Reply, Error>)
    where
        Req: Divisible,
        S: Service<Req, Response = Req::Reply, Error = Error>,
    {
        let outcome = self.send(cx, req, costs, &part).await;
        (part, outcome)
    }

    async fn send<Req>(
        &self,
        cx: Cx,
        req: &Req,
        costs: &[Cost],
        part: &Range<usize>,
    ) -> Result<Req::Reply, Error>
    where
        Req: Divisible,
        S: Service<Req, Response = Req::Reply, Error = Error>,
    {
        let own = costs.get(part.clone()).unwrap_or_default();
        let sum = |of: fn(&Cost) -> u64| own.iter().map(of).fold(0, u64::saturating_add);
        let (likely, bytes) = (sum(|cost| cost.likely), sum(|cost| cost.bytes));
        let lane = &*self.lane;
        if let Some(quota) = lane.burst().filter(|quota| *quota < likely)
            && lane.tokens().is_exact()
            && part.len() == 1
        {
            let message = format!("{likely} tokens are more than the quota of {quota} ever admits");
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        let _place = lane.enter(cx).await?;
        let charge = lane.charge(likely);
        let outcome = lane
            .stack()
            .run(cx.with_weight(charge.weight()), |_cx| {
                let request = req.part(part.clone());
                let charge = &charge;
                async move {
                    charge.send();
                    let outcome = self.service.call(request).await;
                    lane.listen(&outcome);
                    outcome
                }
            })
            .await;
        match &outcome {
            Ok(reply) => {
                if let used @ 1.. = Req::used(reply) {
                    charge.settle(used);
                }
                lane.tokens().learn(bytes, Req::text_tokens(reply));
            }
            Err(error) => {
                if let Some(overflow) = TokenOverflow::of(error) {
                    lane.tokens().learn(bytes, overflow.tokens);
                }
            }
        }
        outcome
    }
}

impl<Req, S, T> Service<Req> for Packed<S, T>
where
    Req: Divisible,
    S: Service<Req, Response = Req::Reply, Error = Error>,
    T: Timer,
{
    type Response = Req::Reply;
    type Error = Error;

    /// As [`Packed::call_with`], without a deadline of its own.
    async fn call(&self, req: Req) -> Result<Req::Reply, Error> {
        self.call_with(Cx::new(), req).await
    }
}

fn is_divisible(error: &Error, part: &Range<usize>) -> bool {
    part.len() > 1 && error.kind() == ErrorKind::TooLarge && !error.is_rejection()
}

/// How many pieces a part that was too large is divided into: by what the vendor said about it, with
/// some room for pieces that are not equal; else two.
fn pieces(error: &Error) -> u64 {
    TokenOverflow::of(error).map_or(2, |overflow| {
        let room = overflow.allowed.saturating_mul(9).div_ceil(10).max(1);
        overflow.tokens.div_ceil(room)
    })
}

/// Says which of several items was too large.
fn named<Req: Divisible>(error: Error, part: &Range<usize>, items: usize) -> Error {
    if error.kind() != ErrorKind::TooLarge || part.len() != 1 || error.is_rejection() {
        return error;
    }
    let message = format!(
        "{} {} of {items} is too large: {}",
        Req::ITEM,
        part.start,
        error.message()
    );
    let mut renamed = Error::new(ErrorKind::TooLarge, message);
    if let Some(service) = error.service() {
        renamed = renamed.with_service(service);
    }
    if let Some(operation) = error.operation() {
        renamed = renamed.with_operation(operation);
    }
    if let Some(id) = error.request_id() {
        renamed = renamed.with_request_id(id);
    }
    match TokenOverflow::of(&error) {
        Some(overflow) => renamed.with_source(overflow),
        None => renamed,
    }
}
