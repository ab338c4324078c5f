//! Classifiers that answer one question differently from another classifier.

use std::time::Duration;

use crate::{Again, Classify, Sample};

/// Classifies as `K` does, but asks `F` for how long the far side wants no call at all.
///
/// For classifiers that cannot say it themselves, such as closures.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use contexter_service::{Classify, ErrIsFailure, Sample, WithTrip};
///
/// let quota = WithTrip::new(ErrIsFailure, |out: &Result<(), &str>| {
///     (*out == Err("monthly quota used up")).then_some(Duration::from_hours(1))
/// });
/// assert_eq!(quota.trip(&Err("monthly quota used up")), Some(Duration::from_hours(1)));
/// assert_eq!(quota.sample(&Ok(())), Sample::Success);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct WithTrip<K, F> {
    classify: K,
    trip: F,
}

impl<K, F> WithTrip<K, F> {
    /// Takes [`Classify::trip`] from `trip` and everything else from `classify`.
    pub const fn new(classify: K, trip: F) -> Self {
        Self { classify, trip }
    }
}

impl<Out, K, F> Classify<Out> for WithTrip<K, F>
where
    K: Classify<Out>,
    F: Fn(&Out) -> Option<Duration> + Send + Sync,
{
    fn sample(&self, out: &Out) -> Sample {
        self.classify.sample(out)
    }

    fn again(&self, out: &Out) -> Again {
        self.classify.again(out)
    }

    fn sent(&self, out: &Out) -> bool {
        self.classify.sent(out)
    }

    fn trip(&self, out: &Out) -> Option<Duration> {
        (self.trip)(out)
    }

    fn refused(&self, out: &Out) -> Option<Duration> {
        self.classify.refused(out)
    }
}

/// Classifies as `K` does, but asks `F` whether the request may have reached the far side.
///
/// For classifiers that cannot say it themselves, such as closures. A call that does harm when it
/// is repeated is retried only where `F` answers `false`.
///
/// # Examples
///
/// ```
/// use std::io::ErrorKind;
/// use contexter_service::{Classify, ErrIsFailure, WithSent};
///
/// let by_kind = WithSent::new(ErrIsFailure, |out: &Result<(), ErrorKind>| {
///     *out != Err(ErrorKind::ConnectionRefused)
/// });
/// assert!(!by_kind.sent(&Err(ErrorKind::ConnectionRefused)));
/// assert!(by_kind.sent(&Err(ErrorKind::ConnectionReset)));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct WithSent<K, F> {
    classify: K,
    sent: F,
}

impl<K, F> WithSent<K, F> {
    /// Takes [`Classify::sent`] from `sent` and everything else from `classify`.
    pub const fn new(classify: K, sent: F) -> Self {
        Self { classify, sent }
    }
}

impl<Out, K, F> Classify<Out> for WithSent<K, F>
where
    K: Classify<Out>,
    F: Fn(&Out) -> bool + Send + Sync,
{
    fn sample(&self, out: &Out) -> Sample {
        self.classify.sample(out)
    }

    fn again(&self, out: &Out) -> Again {
        self.classify.again(out)
    }

    fn sent(&self, out: &Out) -> bool {
        (self.sent)(out)
    }

    fn trip(&self, out: &Out) -> Option<Duration> {
        self.classify.trip(out)
    }

    fn refused(&self, out: &Out) -> Option<Duration> {
        self.classify.refused(out)
    }
}
