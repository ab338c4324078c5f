//! Each mechanism as the only one of the standard stack, and two of them in its order.

use std::time::Duration;

use contexter_conformance::resilience::{
    BreakerSettings, BreakerSubject, BulkheadSubject, Call, HedgeSubject, Listener, Op,
    RateLimitSubject, Reply, RetrySubject, Shape, StackSubject, Suite, Time, TimeoutSubject,
};
use contexter_conformance::{Refusal, Unsupported};
use contexter_resilience::{BreakerConfig, Scope, StackConfig, StandardStack};
use contexter_service::{BreakerState, ByVerdict, Cx};

use crate::far_side::run;
use crate::limit::{bulkhead_config, rate_config};
use crate::stack::Settings;
use crate::{breaker, hedge, retry};

const FACE: &str = "standard stack";

pub(crate) fn add_to(suite: &mut Suite) {
    suite.breaker(FACE, |settings, time| {
        Ok(Box::new(Subject::new(with_breaker(settings)?, time)?))
    });
    suite.retry(FACE, |settings, time| {
        let config = bare().retry(retry::config(settings));
        Ok(Box::new(Subject::new(config, time)?))
    });
    suite.hedge(FACE, |settings, time| {
        let config = bare().hedge(hedge::config(settings));
        Ok(Box::new(Subject::new(config, time)?))
    });
    suite.bulkhead(FACE, |settings, time| {
        let config = bare().bulkhead(bulkhead_config(settings));
        Ok(Box::new(Subject::new(config, time)?))
    });
    suite.rate_limit(FACE, |settings, time| {
        let config = bare().rate_limit(rate_config(settings));
        Ok(Box::new(Subject::new(config, time)?))
    });
    suite.timeout(FACE, |limit, time| {
        Ok(Box::new(Subject::new(bare().deadline(*limit), time)?))
    });
    suite.stack(FACE, |shape, time| {
        Ok(Box::new(Subject::new(of_shape(*shape)?, time)?))
    });
}

/// A stack in which every mechanism is off.
fn bare() -> StackConfig {
    StackConfig::new().breaker(None).retry(None)
}

/// A stack of a breaker alone; it does not time calls.
fn with_breaker(settings: &BreakerSettings) -> Result<StackConfig, Refusal> {
    let config = BreakerConfig::from(breaker::config(settings)?).timeout(None);
    Ok(bare().breaker(config))
}

fn of_shape(shape: Shape) -> Result<StackConfig, Refusal> {
    let settings = Settings::of(shape);
    let breaker = with_breaker(&settings.breaker)?;
    let each_attempt = breaker.clone().scope(Scope::Attempt);
    let bulkhead = bulkhead_config(&settings.bulkhead);
    Ok(match shape {
        Shape::RetryBreaker => each_attempt.retry(retry::config(&settings.retry)),
        Shape::HedgeBreaker => each_attempt.hedge(hedge::config(&settings.hedge)),
        Shape::RetryBulkhead => bare()
            .retry(retry::config(&settings.retry))
            .bulkhead(bulkhead),
        Shape::HedgeBulkhead => bare()
            .hedge(hedge::config(&settings.hedge))
            .bulkhead(bulkhead),
        Shape::BreakerBulkhead => breaker.bulkhead(bulkhead),
        Shape::BreakerRateLimit => breaker.rate_limit(rate_config(&settings.rate)),
        _ => return Err(Refusal::unsupported("knows no such composition")),
    })
}

#[derive(Clone)]
struct Subject(StandardStack<Time, ByVerdict>);

impl Subject {
    fn new(config: StackConfig, time: &Time) -> Result<Self, Refusal> {
        Ok(Self(StandardStack::with(config, time.clone(), ByVerdict)?))
    }

    fn call(&self, cx: Cx, op: &Op) -> Call {
        let (stack, op) = (self.0.clone(), op.clone());
        Box::pin(async move { stack.run(cx, |cx| run(&op, cx)).await })
    }

    fn breaker(&self) -> Result<&breaker::Guarding, Unsupported> {
        let breaker = self.0.breaker();
        breaker.ok_or_else(|| Unsupported::new("has no breaker"))
    }
}

fn boxes() -> Unsupported {
    Unsupported::new("boxes each attempt, so that the whole stack compiles fast")
}

impl BreakerSubject for Subject {
    fn call(&self, op: &Op) -> Call {
        self.call(Cx::new(), op)
    }

    fn sibling(&self) -> Box<dyn BreakerSubject> {
        Box::new(self.clone())
    }

    fn state(&self) -> Result<BreakerState, Unsupported> {
        Ok(self.breaker()?.state())
    }

    fn failures(&self) -> Result<u64, Unsupported> {
        Ok(u64::from(self.breaker()?.failure_count()))
    }

    fn isolate(&self) -> Result<(), Unsupported> {
        self.breaker()?.isolate();
        Ok(())
    }

    fn force_close(&self) -> Result<(), Unsupported> {
        self.breaker()?.force_close();
        Ok(())
    }

    fn release(&self) -> Result<(), Unsupported> {
        self.breaker()?.release();
        Ok(())
    }

    fn reconfigure(&self, settings: &BreakerSettings) -> Result<(), Refusal> {
        Ok(self.0.reconfigure(with_breaker(settings)?)?)
    }

    fn listen(&self, listener: Listener) -> Result<(), Unsupported> {
        let breaker = self.breaker()?.clone();
        let _heard =
            breaker.on_transition(move |transition| listener(transition.from, transition.to));
        Ok(())
    }

    fn at_once(&self, _op: &Op) -> Result<Reply, Unsupported> {
        Err(boxes())
    }
}

impl RetrySubject for Subject {
    fn call(&self, cx: Cx, op: &Op) -> Result<Call, Unsupported> {
        Ok(self.call(cx, op))
    }

    fn sibling(&self) -> Box<dyn RetrySubject> {
        Box::new(self.clone())
    }

    fn at_once(&self, _op: &Op) -> Result<Reply, Unsupported> {
        Err(boxes())
    }
}

impl HedgeSubject for Subject {
    fn call(&self, cx: Cx, op: &Op) -> Result<Call, Unsupported> {
        Ok(self.call(cx, op))
    }

    fn at_once(&self, _op: &Op) -> Result<Reply, Unsupported> {
        Err(boxes())
    }
}

impl BulkheadSubject for Subject {
    fn call(&self, op: &Op) -> Call {
        self.call(Cx::new(), op)
    }

    fn sibling(&self) -> Box<dyn BulkheadSubject> {
        Box::new(self.clone())
    }

    fn at_once(&self, _op: &Op) -> Result<Reply, Unsupported> {
        Err(boxes())
    }
}

impl RateLimitSubject for Subject {
    fn call(&self, op: &Op) -> Call {
        self.call(Cx::new(), op)
    }

    fn sibling(&self) -> Box<dyn RateLimitSubject> {
        Box::new(self.clone())
    }

    fn pause(&self, wait: Duration) -> Result<(), Unsupported> {
        let limiter = self.0.rate_limiter();
        let limiter = limiter.ok_or_else(|| Unsupported::new("has no rate limit"))?;
        limiter.pause_for(wait);
        Ok(())
    }

    fn reads_outcomes(&self) -> bool {
        true
    }

    fn at_once(&self, _op: &Op) -> Result<Reply, Unsupported> {
        Err(boxes())
    }
}

impl TimeoutSubject for Subject {
    fn call(&self, cx: Cx, op: &Op) -> Result<Call, Unsupported> {
        Ok(self.call(cx, op))
    }

    fn at_once(&self, _op: &Op) -> Result<Reply, Unsupported> {
        Err(boxes())
    }
}

impl StackSubject for Subject {
    fn call(&self, op: &Op) -> Result<Call, Unsupported> {
        Ok(self.call(Cx::new(), op))
    }

    fn state(&self) -> Result<BreakerState, Unsupported> {
        Ok(self.breaker()?.state())
    }
}
