//! The ways to fuse rankings.

use contexter_model::{Hit, PointId};
use serde::{Deserialize, Serialize};

/// How the rankings of several legs become one.
///
/// A point's fused score is the sum of what each leg gives it; a leg that did not find it gives
/// nothing. Written as text, in configuration as on the command line:
///
/// | text | method |
/// |---|---|
/// | `dbsf` | [`Dbsf`](Self::Dbsf), the default |
/// | `rrf:60` (`rrf` alone: 60) | [`Rrf`](Self::Rrf) |
/// | `minmax:0.7,0.3` | [`MinMax`](Self::MinMax) |
/// | `weighted:1,0.5` | [`Weighted`](Self::Weighted) |
///
/// # Examples
///
/// ```
/// use contexter_model::{Hit, PointId};
/// use contexter_rag::Fusion;
///
/// let (a, b) = (PointId::from_u128(1), PointId::from_u128(2));
/// let dense = vec![Hit { id: a, score: 0.9 }, Hit { id: b, score: 0.8 }];
/// let sparse = vec![Hit { id: b, score: 7.5 }];
///
/// let fusion: Fusion = "rrf:60".parse()?;
/// let fused = fusion.fuse(&[dense, sparse], 10)?;
/// assert_eq!(fused[0].id, b, "found by both legs");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum Fusion {
    /// Distribution-based: each leg's mean ± 3 standard deviations become 0 to 1.
    ///
    /// The deviation is the sample's, outliers are not clamped, and a leg with one hit or with
    /// equal scores gives 0.5 to each: as Qdrant does it (server 1.19, `score_fusion.rs`).
    #[default]
    Dbsf,
    /// Reciprocal rank: each leg gives `1 / (k + position)`, with the first position 0.
    ///
    /// This is Qdrant's counting. The paper (Cormack et al., 2009) counts ranks from 1, so its
    /// `k` = 60 is 61 here. Scores are not looked at, only the order of the hits.
    Rrf {
        /// How slowly the contribution falls with the position; at least 1.
        k: u32,
    },
    /// The legs' own scores, each times the leg's weight; for scores that are comparable already.
    Weighted {
        /// One finite weight of at least 0 for each leg.
        weights: Vec<f32>,
    },
    /// Each leg's lowest to highest score become 0 to 1, times the leg's weight.
    ///
    /// A leg with one hit or with equal scores gives its whole weight to each.
    MinMax {
        /// One finite weight of at least 0 for each leg.
        weights: Vec<f32>,
    },
}

impl Fusion {
    /// Fuses rankings, each best first, and returns the best `limit` points.
    ///
    /// Equal scores come in the order of the ids, and the order of the rankings does not matter
    /// where there are no weights. Hits whose score is not finite are left out; of a point that
    /// one ranking holds twice, the first hit counts.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidWeights`] if there are weights, but not one for each ranking, or if one of
    /// them is negative or not finite.
    pub fn fuse<R: AsRef<[Hit]>>(
        &self,
        rankings: &[R],
        limit: usize,
    ) -> Result<Vec<Hit>, InvalidWeights> {
        let weights = match self {
            Self::Dbsf | Self::Rrf { .. } => None,
            Self::Weighted { weights } | Self::MinMax { weights } => Some(weights),
        };
        if let Some(weights) = weights {
            InvalidWeights::check(weights, rankings.len())?;
        }
        let hits = rankings.iter().map(|ranking| ranking.as_ref().len()).sum();
        let mut votes = Vec::with_capacity(hits);
        for (leg, ranking) in rankings.iter().enumerate() {
            let weight = weights.and_then(|weights| weights.get(leg));
            self.vote(
                ranking.as_ref(),
                f64::from(weight.copied().unwrap_or(1.0)),
                leg,
                &mut votes,
            );
        }
        Ok(count(votes, limit))
    }

    /// Appends what one leg gives to each of its points.
    fn vote(&self, ranking: &[Hit], weight: f64, leg: usize, votes: &mut Vec<Vote>) {
        let finite = || ranking.iter().filter(|hit| hit.score.is_finite());
        let scale = match self {
            Self::Dbsf => Scale::by_distribution(finite().map(|hit| f64::from(hit.score))),
            Self::MinMax { .. } => Scale::by_range(finite().map(|hit| f64::from(hit.score))),
            Self::Weighted { .. } => Scale::IDENTITY,
            Self::Rrf { k } => {
                let denominators =
                    (0_u32..).map(|position| f64::from((*k).max(1)) + f64::from(position));
                votes.extend(
                    finite()
                        .zip(denominators)
                        .map(|(hit, denominator)| Vote::new(hit, leg, denominator.recip())),
                );
                return;
            }
        };
        votes.extend(
            finite().map(|hit| Vote::new(hit, leg, weight * scale.apply(f64::from(hit.score)))),
        );
    }
}

/// What one leg gives to one point.
struct Vote {
    /// The point's id as a number, which compares faster than its bytes and in the same order.
    id: u128,
    leg: usize,
    score: f64,
}

impl Vote {
    fn new(hit: &Hit, leg: usize, score: f64) -> Self {
        Self {
            id: hit.id.as_u128(),
            leg,
            score,
        }
    }
}

/// A linear map of scores: `slope · score + offset`.
#[derive(Clone, Copy)]
struct Scale {
    slope: f64,
    offset: f64,
}

impl Scale {
    const IDENTITY: Self = Self {
        slope: 1.0,
        offset: 0.0,
    };

    const fn constant(value: f64) -> Self {
        Self {
            slope: 0.0,
            offset: value,
        }
    }

    /// Maps `low` to 0 and `high` to 1; everything to `flat` if they are the same.
    fn between(low: f64, high: f64, flat: f64) -> Self {
        let slope = 1.0 / (high - low);
        if slope.is_finite() {
            Self {
                slope,
                offset: -low * slope,
            }
        } else {
            Self::constant(flat)
        }
    }

    fn by_distribution(scores: impl Iterator<Item = f64> + Clone) -> Self {
        let (count, sum) = scores
            .clone()
            .fold((0.0, 0.0), |(count, sum), score| (count + 1.0, sum + score));
        if count < 2.0 {
            return Self::constant(0.5);
        }
        let mean = sum / count;
        // Two passes: the textbook one-pass form cancels when scores are large and close.
        let squares: f64 = scores.map(|score| (score - mean).powi(2)).sum();
        let reach = 3.0 * (squares / (count - 1.0)).sqrt();
        // Equal scores may leave a deviation of rounding errors; it must not become a scale.
        if reach <= mean.abs() * 1e-12 {
            return Self::constant(0.5);
        }
        Self::between(mean - reach, mean + reach, 0.5)
    }

    fn by_range(scores: impl Iterator<Item = f64>) -> Self {
        let (low, high) = scores.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), score| {
            (low.min(score), high.max(score))
        });
        Self::between(low, high, 1.0)
    }

    fn apply(self, score: f64) -> f64 {
        self.slope.mul_add(score, self.offset)
    }
}

/// Adds the votes of each point up and returns the best points.
fn count(mut votes: Vec<Vote>, limit: usize) -> Vec<Hit> {
    // Stable, so that a leg's votes for a point stay in order, and so do the legs.
    votes.sort_by_key(|vote| vote.id);
    votes.dedup_by_key(|vote| (vote.id, vote.leg));
    let mut fused: Vec<Hit> = votes
        .chunk_by_mut(|a, b| a.id == b.id)
        .filter_map(|votes| {
            // Floating-point sums depend on their order; this one must not depend on the legs'.
            votes.sort_unstable_by(|a, b| a.score.total_cmp(&b.score));
            let score = votes.iter().map(|vote| vote.score).sum();
            votes.first().map(|vote| Hit {
                id: PointId::from_u128(vote.id),
                score: narrow(score),
            })
        })
        .collect();
    let order = |a: &Hit, b: &Hit| {
        b.score
            .total_cmp(&a.score)
            .then_with(|| a.id.as_u128().cmp(&b.id.as_u128()))
    };
    if limit == 0 {
        return Vec::new();
    }
    if limit < fused.len() {
        fused.select_nth_unstable_by(limit - 1, order);
        fused.truncate(limit);
    }
    fused.sort_unstable_by(order);
    fused
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "hits carry single precision; out of range becomes the largest value"
)]
fn narrow(score: f64) -> f32 {
    // Adding zero turns -0.0, which `total_cmp` puts below 0.0, into 0.0.
    (score.clamp(f64::from(f32::MIN), f64::from(f32::MAX)) + 0.0) as f32
}

/// The error returned for weights that do not fit the rankings.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidWeights {
    /// There is not one weight for each ranking.
    #[error("fusion has {weights} weights for {rankings} rankings, expected one for each")]
    Count {
        /// How many weights there are.
        weights: usize,
        /// How many rankings there are.
        rankings: usize,
    },
    /// A weight is negative or not finite.
    #[error("fusion has weight {weight}, expected a finite number of at least 0")]
    Weight {
        /// The weight.
        weight: f32,
    },
}

impl InvalidWeights {
    fn check(weights: &[f32], rankings: usize) -> Result<(), Self> {
        if weights.len() != rankings {
            return Err(Self::Count {
                weights: weights.len(),
                rankings,
            });
        }
        match weights
            .iter()
            .find(|weight| !weight.is_finite() || **weight < 0.0)
        {
            Some(&weight) => Err(Self::Weight { weight }),
            None => Ok(()),
        }
    }
}
