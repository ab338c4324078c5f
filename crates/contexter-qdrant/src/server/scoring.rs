//! What a query ranks points by, in the engine's terms.

use std::collections::BTreeMap;

use qdrant_client::qdrant::query::Variant;
use qdrant_client::qdrant::{
    self, ContextInput, DiscoverInput, FeedbackItem, RecommendInput, RecommendStrategy,
    RelevanceFeedbackInput, Rrf, feedback_strategy,
};
use qdrant_edge::external::ordered_float::OrderedFloat;
use qdrant_edge::{
    ContextPair, ContextQuery, DiscoverQuery, FeedbackNaiveQuery, Fusion, Mmr,
    NaiveFeedbackStrategy, NamedQuery, QueryEnum, RecommendQuery, Sample, ScoringQuery,
    SparseVector, VectorInternal,
};
use tonic::Status;

use super::inputs::Inputs;
use super::queries::{order_by, size};
use super::{formula, status, valid};

/// The server's default for reciprocal rank fusion (1.19, `reciprocal_rank_fusion.rs`).
const RRF_K: u32 = 2;

/// Translates what a query ranks by; points that stand for their vectors are noted in `inputs`.
pub(super) fn scoring(
    query: Option<qdrant::Query>,
    limit: usize,
    prefetches: usize,
    inputs: &mut Inputs<'_>,
) -> Result<Option<ScoringQuery>, Status> {
    let Some(query) = query else {
        return Ok(None);
    };
    let variant = query
        .variant
        .ok_or_else(|| Status::invalid_argument("Query variant is missing"))?;
    let scoring = match variant {
        Variant::Nearest(input) => {
            let vector = inputs.vector(Some(input))?;
            by_vector(QueryEnum::Nearest, vector, inputs)
        }
        Variant::NearestWithMmr(nearest) => {
            let vector = inputs.vector(nearest.nearest)?;
            let mmr = nearest.mmr.unwrap_or_default();
            let diversity = mmr.diversity.unwrap_or(0.5);
            if !(0.0..=1.0).contains(&diversity) {
                return Err(status::wrong("diversity must be in the range [0, 1]"));
            }
            ScoringQuery::Mmr(Mmr {
                vector,
                using: inputs.using().to_owned(),
                lambda: OrderedFloat(1.0 - diversity),
                candidates_limit: mmr
                    .candidates_limit
                    .map_or(limit, |given| size(given.into())),
            })
        }
        Variant::Fusion(fusion) => ScoringQuery::Fusion(match fusion_kind(fusion)? {
            qdrant::Fusion::Rrf => Fusion::Rrf {
                k: size(RRF_K.into()),
                weights: None,
            },
            qdrant::Fusion::Dbsf => Fusion::Dbsf,
        }),
        Variant::Rrf(rrf) => ScoringQuery::Fusion(weighted(rrf, prefetches)?),
        Variant::OrderBy(order) => ScoringQuery::OrderBy(order_by(&order)?),
        Variant::Sample(sample) => match qdrant::Sample::try_from(sample) {
            Ok(qdrant::Sample::Random) => ScoringQuery::Sample(Sample::Random),
            Err(_unknown) => {
                let what = format!("Unknown sample method: {sample}");
                return Err(Status::invalid_argument(what));
            }
        },
        Variant::Recommend(recommend) => recommended(recommend, inputs)?,
        Variant::Discover(discover) => discovered(discover, inputs)?,
        Variant::Context(context) => {
            let pairs = pairs(context, inputs)?;
            by_vector(QueryEnum::Context, ContextQuery { pairs }, inputs)
        }
        Variant::Formula(formula) => formula::formula(formula)?,
        Variant::RelevanceFeedback(feedback) => fed_back(feedback, inputs)?,
        Variant::Text(_) => return Err(status::not_offered("text queries")),
    };
    if matches!(scoring, ScoringQuery::Fusion(_)) && prefetches == 0 {
        return Err(status::wrong("cannot do Fusion without prefetches"));
    }
    Ok(Some(scoring))
}

fn by_vector<Q>(
    kind: impl FnOnce(NamedQuery<Q>) -> QueryEnum,
    query: Q,
    inputs: &Inputs<'_>,
) -> ScoringQuery {
    ScoringQuery::Vector(kind(NamedQuery {
        query,
        using: Some(inputs.using().to_owned()),
    }))
}

fn fusion_kind(fusion: i32) -> Result<qdrant::Fusion, Status> {
    qdrant::Fusion::try_from(fusion)
        .map_err(|_unknown| Status::invalid_argument(format!("Unknown fusion method: {fusion}")))
}

fn weighted(rrf: Rrf, prefetches: usize) -> Result<Fusion, Status> {
    let k = rrf.k.unwrap_or(RRF_K);
    valid::at_least("rrf.k", Some(k), 1)?;
    if !rrf.weights.is_empty() && rrf.weights.len() != prefetches {
        return Err(status::wrong(format_args!(
            "RRF weights count ({}) must match prefetch count ({prefetches})",
            rrf.weights.len(),
        )));
    }
    let weights: Vec<_> = rrf.weights.into_iter().map(OrderedFloat).collect();
    Ok(Fusion::Rrf {
        k: size(k.into()),
        weights: (!weights.is_empty()).then_some(weights),
    })
}

fn recommended(recommend: RecommendInput, inputs: &mut Inputs<'_>) -> Result<ScoringQuery, Status> {
    let strategy = recommend.strategy.unwrap_or_default();
    let strategy = RecommendStrategy::try_from(strategy).map_err(|_unknown| {
        Status::invalid_argument(format!("Unknown recommend strategy: {strategy}"))
    })?;
    let positives = inputs.vectors(recommend.positive)?;
    let negatives = inputs.vectors(recommend.negative)?;
    if strategy == RecommendStrategy::AverageVector {
        let Some(positive) = average(positives)? else {
            return Err(status::wrong(
                "Positive vectors should not be empty with `average` strategy",
            ));
        };
        let target = match average(negatives)? {
            Some(negative) => away_from(positive, negative)?,
            None => positive,
        };
        return Ok(by_vector(QueryEnum::Nearest, target, inputs));
    }
    // The vendor's server asks it of the older requests only, and answers others with scores that are
    // no numbers.
    if positives.is_empty() && negatives.is_empty() {
        return Err(status::bad_request(
            "At least one positive or negative vector ID required with this strategy",
        ));
    }
    let kind = match strategy {
        RecommendStrategy::SumScores => QueryEnum::RecommendSumScores,
        _ => QueryEnum::RecommendBestScore,
    };
    let query = RecommendQuery {
        positives,
        negatives,
    };
    Ok(by_vector(kind, query, inputs))
}

fn discovered(discover: DiscoverInput, inputs: &mut Inputs<'_>) -> Result<ScoringQuery, Status> {
    let target = inputs.vector(discover.target)?;
    let pairs = pairs(discover.context.unwrap_or_default(), inputs)?;
    let query = DiscoverQuery { target, pairs };
    Ok(by_vector(QueryEnum::Discover, query, inputs))
}

fn pairs(
    context: ContextInput,
    inputs: &mut Inputs<'_>,
) -> Result<Vec<ContextPair<VectorInternal>>, Status> {
    let pairs = context.pairs.into_iter().map(|pair| {
        Ok(ContextPair {
            positive: inputs.vector(pair.positive)?,
            negative: inputs.vector(pair.negative)?,
        })
    });
    pairs.collect()
}

fn fed_back(
    feedback: RelevanceFeedbackInput,
    inputs: &mut Inputs<'_>,
) -> Result<ScoringQuery, Status> {
    let strategy = feedback.strategy.and_then(|strategy| strategy.variant);
    let Some(feedback_strategy::Variant::Naive(naive)) = strategy else {
        return Err(Status::invalid_argument("Feedback strategy is missing"));
    };
    let target = inputs.vector(feedback.target)?;
    let items = feedback.feedback.into_iter().map(|item: FeedbackItem| {
        Ok(qdrant_edge::FeedbackItem {
            vector: inputs.vector(item.example)?,
            score: OrderedFloat(item.score),
        })
    });
    let feedback = items.collect::<Result<Vec<_>, Status>>()?;
    let query = FeedbackNaiveQuery {
        target,
        feedback,
        coefficients: NaiveFeedbackStrategy {
            a: OrderedFloat(naive.a),
            b: OrderedFloat(naive.b),
            c: OrderedFloat(naive.c),
        },
    };
    Ok(by_vector(QueryEnum::FeedbackNaive, query, inputs))
}

/// The mean of vectors of one kind; rows of multi-vectors are put together.
fn average(vectors: Vec<VectorInternal>) -> Result<Option<VectorInternal>, Status> {
    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^23")]
    let count = vectors.len() as f32;
    let mut sum: Option<VectorInternal> = None;
    for vector in vectors {
        sum = Some(match sum {
            None => vector,
            Some(sum) => merged(sum, vector, |left, right| left + right, 1.0)
                .ok_or_else(|| status::wrong("Can't average vectors with different types"))?,
        });
    }
    if let Some(VectorInternal::Dense(values)) = &mut sum {
        for value in values {
            *value /= count;
        }
    }
    if let Some(VectorInternal::Sparse(sparse)) = &mut sum {
        for value in &mut sparse.values {
            *value /= count;
        }
    }
    Ok(sum)
}

/// Twice the way to the positive examples, and the way back from the negative ones.
fn away_from(positive: VectorInternal, negative: VectorInternal) -> Result<VectorInternal, Status> {
    let away = merged(positive, negative, |plus, minus| plus + plus - minus, -1.0);
    away.ok_or_else(|| {
        status::wrong(
            "Positive and negative vectors should be of the same type, either all dense or all \
             sparse or all multi",
        )
    })
}

/// Merges two vectors of one kind value by value; of multi-vectors, appends the rows of the second times `sign`.
fn merged(
    left: VectorInternal,
    right: VectorInternal,
    merge: impl Fn(f32, f32) -> f32,
    sign: f32,
) -> Option<VectorInternal> {
    match (left, right) {
        (VectorInternal::Dense(left), VectorInternal::Dense(right)) => {
            let merged = left.into_iter().zip(right);
            let merged = merged.map(|(left, right)| merge(left, right)).collect();
            Some(VectorInternal::Dense(merged))
        }
        (VectorInternal::Sparse(left), VectorInternal::Sparse(right)) => {
            let mut values: BTreeMap<u32, (f32, f32)> = BTreeMap::new();
            for (index, value) in left.indices.into_iter().zip(left.values) {
                values.entry(index).or_default().0 = value;
            }
            for (index, value) in right.indices.into_iter().zip(right.values) {
                values.entry(index).or_default().1 = value;
            }
            let (indices, values) = values
                .into_iter()
                .map(|(index, (left, right))| (index, merge(left, right)))
                .unzip();
            Some(VectorInternal::Sparse(SparseVector { indices, values }))
        }
        (VectorInternal::MultiDense(mut left), VectorInternal::MultiDense(right))
            if left.dim == right.dim =>
        {
            let rows = right.flattened_vectors.into_iter();
            left.flattened_vectors
                .extend(rows.map(|value| value * sign));
            Some(VectorInternal::MultiDense(left))
        }
        _ => None,
    }
}
