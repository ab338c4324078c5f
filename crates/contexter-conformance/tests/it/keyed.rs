//! The rules of registries.

use std::collections::HashMap;

use contexter_conformance::resilience::{BreakerSubject, KeyedSettings, KeyedSubject, Time};
use contexter_service::BreakerState;
use parking_lot::Mutex;

use crate::assert_breaks;
use crate::naive_breaker::{self, Naive};

/// What is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    None,
    MakesOneEachTime,
    OneForAllKeys,
    HasNoBound,
    EvictsAnything,
    EvictsClosed,
}

struct Registry {
    settings: KeyedSettings,
    breakers: Mutex<HashMap<String, Naive>>,
    time: Time,
    flaw: Flaw,
}

impl Registry {
    fn may_go(&self, breaker: &Naive) -> bool {
        let closed = breaker.state() == Ok(BreakerState::Closed);
        match self.flaw {
            Flaw::HasNoBound => false,
            Flaw::EvictsAnything => true,
            Flaw::EvictsClosed => closed,
            _ => closed && breaker.failures() == Ok(0),
        }
    }
}

impl KeyedSubject for Registry {
    fn breaker(&self, key: &str) -> Box<dyn BreakerSubject> {
        let key = if self.flaw == Flaw::OneForAllKeys {
            ""
        } else {
            key
        };
        let make = || {
            let flaw = naive_breaker::Flaw::None;
            Naive::new(&self.settings.breaker, &self.time, flaw)
                .expect("scenarios of registries give good settings")
        };
        let mut breakers = self.breakers.lock();
        if self.flaw == Flaw::MakesOneEachTime {
            breakers.clear();
        }
        if !breakers.contains_key(key) && breakers.len() >= self.settings.capacity {
            let victim = breakers
                .iter()
                .find_map(|(key, breaker)| self.may_go(breaker).then(|| key.clone()));
            if let Some(victim) = victim {
                breakers.remove(&victim);
            }
        }
        Box::new(breakers.entry(key.to_owned()).or_insert_with(make).clone())
    }

    fn len(&self) -> usize {
        self.breakers.lock().len()
    }
}

#[track_caller]
fn breaks(flaw: Flaw, expected: &[u8]) {
    assert_breaks(flaw, expected, |suite| {
        suite.keyed("naive", move |settings, time| {
            Ok(Box::new(Registry {
                settings: *settings,
                breakers: Mutex::default(),
                time: time.clone(),
                flaw,
            }))
        });
    });
}

#[test]
fn a_registry_without_a_flaw_keeps_every_rule() {
    breaks(Flaw::None, &[]);
}

#[test]
fn a_flaw_of_a_registry_is_found() {
    breaks(Flaw::MakesOneEachTime, &[29]);
    breaks(Flaw::OneForAllKeys, &[29]);
    breaks(Flaw::HasNoBound, &[29]);
    breaks(Flaw::EvictsAnything, &[29]);
    breaks(Flaw::EvictsClosed, &[29]);
}
