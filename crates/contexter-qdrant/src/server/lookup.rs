//! Points of other collections: as examples of a query, and beside the groups that it finds.

use qdrant_client::qdrant::query::Variant;
use qdrant_client::qdrant::vector_input::Variant as Input;
use qdrant_client::qdrant::{
    DenseVector, LookupLocation, MultiDenseVector, PrefetchQuery, Query, QueryPoints, SparseVector,
    VectorInput,
};
use qdrant_edge::VectorInternal;
use tonic::Status;

use super::catalog::Catalog;
use super::inputs::vector_of;
use super::{shard_keys, vectors};

/// Puts the vectors of points of other collections in place of their ids.
pub(super) async fn resolve(catalog: &Catalog, search: &mut QueryPoints) -> Result<(), Status> {
    let mut inputs = Vec::new();
    if let (Some(from), Some(query)) = (&search.lookup_from, &mut search.query) {
        let place = Place::new(from, search.using.as_deref());
        inputs.extend(inputs_of(query).into_iter().map(|input| (place, input)));
    }
    of_prefetches(&mut search.prefetch, &mut inputs);
    for (Place { from, vector }, input) in inputs {
        let Some(Input::Id(id)) = &input.variant else {
            continue;
        };
        shard_keys::refuse(from.shard_key_selector.as_ref())?;
        let id = vectors::id(Some(id.clone()))?;
        let name = vector.to_owned();
        let collection = catalog.get(&from.collection_name)?;
        let vector = collection.read(move |shard| vector_of(id, &name, shard));
        input.variant = Some(as_input(vector.await?));
    }
    Ok(())
}

/// Where the points are, and which of their vectors is meant.
#[derive(Clone, Copy)]
struct Place<'a> {
    from: &'a LookupLocation,
    vector: &'a str,
}

impl<'a> Place<'a> {
    /// The vector is the one that the query searches by, if none is named.
    fn new(from: &'a LookupLocation, using: Option<&'a str>) -> Self {
        let vector = from.vector_name.as_deref().or(using).unwrap_or_default();
        Self { from, vector }
    }
}

fn of_prefetches<'a>(
    prefetches: &'a mut [PrefetchQuery],
    into: &mut Vec<(Place<'a>, &'a mut VectorInput)>,
) {
    for prefetch in prefetches {
        if let (Some(from), Some(query)) = (&prefetch.lookup_from, &mut prefetch.query) {
            let place = Place::new(from, prefetch.using.as_deref());
            into.extend(inputs_of(query).into_iter().map(|input| (place, input)));
        }
        of_prefetches(&mut prefetch.prefetch, into);
    }
}

fn inputs_of(query: &mut Query) -> Vec<&mut VectorInput> {
    match &mut query.variant {
        Some(Variant::Nearest(input)) => vec![input],
        Some(Variant::NearestWithMmr(nearest)) => nearest.nearest.iter_mut().collect(),
        Some(Variant::Recommend(recommend)) => recommend
            .positive
            .iter_mut()
            .chain(&mut recommend.negative)
            .collect(),
        Some(Variant::Discover(discover)) => {
            let pairs = discover
                .context
                .iter_mut()
                .flat_map(|context| &mut context.pairs);
            let pairs = pairs.flat_map(|pair| pair.positive.iter_mut().chain(&mut pair.negative));
            discover.target.iter_mut().chain(pairs).collect()
        }
        Some(Variant::Context(context)) => context
            .pairs
            .iter_mut()
            .flat_map(|pair| pair.positive.iter_mut().chain(&mut pair.negative))
            .collect(),
        Some(Variant::RelevanceFeedback(feedback)) => {
            let items = feedback.feedback.iter_mut();
            let items = items.flat_map(|item| &mut item.example);
            feedback.target.iter_mut().chain(items).collect()
        }
        _ => Vec::new(),
    }
}

fn as_input(vector: VectorInternal) -> Input {
    match vector {
        VectorInternal::Dense(data) => Input::Dense(DenseVector { data }),
        VectorInternal::Sparse(sparse) => Input::Sparse(SparseVector {
            values: sparse.values,
            indices: sparse.indices,
        }),
        VectorInternal::MultiDense(multi) => {
            let rows = multi.flattened_vectors.chunks(multi.dim.max(1));
            Input::MultiDense(MultiDenseVector {
                vectors: rows.map(|row| DenseVector { data: row.to_vec() }).collect(),
            })
        }
    }
}
