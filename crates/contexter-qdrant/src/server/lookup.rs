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
use super::vectors;

/// Puts the vectors of points of other collections in place of their ids.
pub(super) async fn resolve(catalog: &Catalog, search: &mut QueryPoints) -> Result<(), Status> {
    let mut inputs = Vec::new();
    if let (Some(from), Some(query)) = (&search.lookup_from, &mut search.query) {
        inputs.extend(inputs_of(query).into_iter().map(|input| (from, input)));
    }
    of_prefetches(&mut search.prefetch, &mut inputs);
    for (from, input) in inputs {
        let Some(Input::Id(id)) = &input.variant else {
            continue;
        };
        let id = vectors::id(Some(id.clone()))?;
        let name = from.vector_name.clone().unwrap_or_default();
        let collection = catalog.get(&from.collection_name)?;
        let vector = collection.read(move |shard| vector_of(id, &name, shard));
        input.variant = Some(as_input(vector.await?));
    }
    Ok(())
}

fn of_prefetches<'a>(
    prefetches: &'a mut [PrefetchQuery],
    into: &mut Vec<(&'a LookupLocation, &'a mut VectorInput)>,
) {
    for prefetch in prefetches {
        if let (Some(from), Some(query)) = (&prefetch.lookup_from, &mut prefetch.query) {
            into.extend(inputs_of(query).into_iter().map(|input| (from, input)));
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
