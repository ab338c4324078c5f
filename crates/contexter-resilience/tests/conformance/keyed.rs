//! The registry of breakers.

use contexter_breaker::Breaker;
use contexter_conformance::Refusal;
use contexter_conformance::resilience::{BreakerSubject, KeyedSettings, KeyedSubject, Suite, Time};
use contexter_resilience::Keyed;
use contexter_service::ByVerdict;

use crate::breaker::{Guarding, config, subject_of};

pub(crate) fn add_to(suite: &mut Suite) {
    suite.keyed("call", build);
}

struct Subject(Keyed<String, Guarding>);

fn build(settings: &KeyedSettings, time: &Time) -> Result<Box<dyn KeyedSubject>, Refusal> {
    let config = config(&settings.breaker)?;
    config.validate()?;
    let time = time.clone();
    let breakers = Keyed::new(settings.capacity, move |_key: &String| {
        Breaker::with_clock(config, time.clone())
            .expect("the settings were validated above")
            .classify_by(ByVerdict)
    })?;
    Ok(Box::new(Subject(breakers)))
}

impl KeyedSubject for Subject {
    fn breaker(&self, key: &str) -> Box<dyn BreakerSubject> {
        subject_of(self.0.get(key))
    }

    fn len(&self) -> usize {
        self.0.len()
    }
}
