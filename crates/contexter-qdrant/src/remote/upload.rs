//! Sending points: batches of bounded size, a few at a time.

use std::collections::HashSet;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use contexter_model::{Error, ErrorKind, Point, Upsert};
use contexter_resilience::StandardStack;
use futures_util::{StreamExt as _, stream};
use prost::Message;
use qdrant_client::qdrant::points_update_operation::{DeleteVectors, Operation, PointStructList};
use qdrant_client::qdrant::{
    PointId, PointStruct, PointsIdsList, PointsOperationResponse, PointsSelector,
    PointsUpdateOperation, UpdateBatchPoints, UpdateBatchResponse, UpsertPoints, VectorsSelector,
    points_selector::PointsSelectorOneOf,
};

use super::sending::UploadConfig;
use super::store::{RemoteStore, under};
use super::write::{all_applied, is_applied};
use super::{fault, value};
use crate::spec::{self, DENSE, SPARSE};

const UPSERT: &str = "/qdrant.Points/Upsert";
const UPDATE_BATCH: &str = "/qdrant.Points/UpdateBatch";

/// What each point costs in a batch besides itself: its tag and its length.
const FRAMING: usize = 6;

/// How far an upload has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// How many points are stored and can be searched.
    pub points: usize,
    /// How many points there are in all; of points with the same id only the last counts.
    pub of: usize,
    /// How many bytes were sent for those that are stored.
    pub bytes: usize,
}

impl RemoteStore {
    /// Stores points as [`Upsert`] does, each batch under `stack`, and tells `progress` after each
    /// batch.
    ///
    /// Batches hold at most `upload.batch_points` points and `upload.batch_bytes` bytes of the
    /// protocol, and `upload.concurrency` of them are on their way at once. A failed batch is
    /// repeated by the stack alone, without those that arrived. A batch that the server finds too
    /// large is halved. One that it accepted but did not apply in time is waited for, not sent again.
    ///
    /// # Errors
    ///
    /// As [`Upsert`]. What `progress` was told of is stored.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops the upload; batches that the server has received stay.
    pub async fn upload(
        &self,
        req: Upsert,
        stack: Option<&StandardStack>,
        mut progress: impl FnMut(Progress) + Send,
    ) -> Result<(), Error> {
        let collection = req.collection.as_str();
        let spec = under(stack, || self.spec(collection)).await?;
        for point in &req.points {
            spec::check_point(point, &spec)?;
            value::check_payload(&point.payload, point.id)?;
        }
        let points = last_of_each_id(req.points);
        let mut done = Progress {
            points: 0,
            of: points.len(),
            bytes: 0,
        };
        let config = self.upload_config();
        let batches = Batches {
            points: points.into_iter(),
            next: None,
            config,
        };
        // After a failure nothing new is sent, and what is on its way ends by itself: calls that are
        // dropped would count against the server.
        let failed = AtomicBool::new(false);
        let mut sending = pin!(
            stream::iter(batches)
                .take_while(|_| std::future::ready(!failed.load(Ordering::Relaxed)))
                .map(|batch| async move {
                    let (points, bytes) = (batch.points.len(), batch.bytes);
                    self.send_batch(collection, batch.points, stack)
                        .await
                        .map(|()| (points, bytes))
                })
                .buffer_unordered(config.concurrency)
        );
        let mut sent = Ok(());
        while let Some(outcome) = sending.next().await {
            match outcome {
                Ok((points, bytes)) => {
                    done.points += points;
                    done.bytes += bytes;
                    tracing::debug!(points = done.points, of = done.of, "points stored");
                    progress(done);
                }
                Err(error) => {
                    failed.store(true, Ordering::Relaxed);
                    sent = sent.and(Err(error));
                }
            }
        }
        if let Err(error) = &sent
            && matches!(error.kind(), ErrorKind::Invalid | ErrorKind::NotFound)
        {
            self.known().forget(collection);
        }
        sent
    }

    /// Sends one batch, in halves if it is too large for the server.
    async fn send_batch(
        &self,
        collection: &str,
        points: Vec<PointStruct>,
        stack: Option<&StandardStack>,
    ) -> Result<(), Error> {
        let mut waiting = vec![Encoded::new(
            collection,
            points,
            self.connection().server_timeout(),
        )];
        while let Some(batch) = waiting.pop() {
            let outcome = under(stack, || self.send_encoded(&batch)).await;
            match outcome {
                Ok(applied) => self.settle_unless(applied, collection, stack).await?,
                Err(error) if error.kind() == ErrorKind::TooLarge && batch.points > 1 => {
                    let [first, second] = batch.halves()?;
                    tracing::warn!(points = batch.points, %error, "batch halved");
                    waiting.push(second);
                    waiting.push(first);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Returns whether the batch was applied; if not, it was accepted and will be.
    async fn send_encoded(&self, batch: &Encoded) -> Result<bool, Error> {
        let message = batch.message.clone();
        let connection = self.connection();
        // What cannot be split may still have been turned away for another reason than its size.
        let unsplittable = |error| {
            if batch.points > 1 {
                error
            } else {
                fault::or_wait(error)
            }
        };
        if batch.whole {
            let sent = connection.send::<PointsOperationResponse>(UPSERT, message);
            return is_applied(sent.await.map_err(unsplittable)?.result);
        }
        let sent = connection.send::<UpdateBatchResponse>(UPDATE_BATCH, message);
        let reply = sent.await.map_err(unsplittable)?;
        all_applied(reply.result, batch.operations)
    }
}

/// Keeps the last of several points with the same id, in order.
fn last_of_each_id(mut points: Vec<Point>) -> Vec<Point> {
    let mut seen = HashSet::with_capacity(points.len());
    if points.iter().all(|point| seen.insert(point.id)) {
        return points;
    }
    seen.clear();
    points.reverse();
    points.retain(|point| seen.insert(point.id));
    points.reverse();
    points
}

/// Points on their way into one call.
struct Batch {
    points: Vec<PointStruct>,
    bytes: usize,
}

/// Cuts points into batches as they are asked for: what is not on its way takes no second copy.
struct Batches {
    points: std::vec::IntoIter<Point>,
    /// A point that did not fit into the last batch.
    next: Option<(PointStruct, usize)>,
    config: UploadConfig,
}

impl Iterator for Batches {
    type Item = Batch;

    fn next(&mut self) -> Option<Batch> {
        let mut batch = Batch {
            points: Vec::with_capacity(self.config.batch_points.min(self.points.len() + 1)),
            bytes: 0,
        };
        while batch.points.len() < self.config.batch_points {
            let next = self.next.take().or_else(|| {
                let point = value::point(self.points.next()?);
                let bytes = point.encoded_len() + FRAMING;
                Some((point, bytes))
            });
            let Some((point, bytes)) = next else {
                break;
            };
            if !batch.points.is_empty() && batch.bytes + bytes > self.config.batch_bytes {
                self.next = Some((point, bytes));
                break;
            }
            batch.bytes += bytes;
            batch.points.push(point);
        }
        (!batch.points.is_empty()).then_some(batch)
    }
}

/// A batch as it is sent.
struct Encoded {
    /// Whether all points have both vectors, which makes it an `UpsertPoints`. Otherwise it is an
    /// `UpdateBatchPoints`, which also deletes the vectors that the points lack.
    whole: bool,
    /// How many changes it consists of.
    operations: usize,
    points: usize,
    message: Bytes,
}

impl Encoded {
    fn new(collection: &str, points: Vec<PointStruct>, timeout: u64) -> Self {
        let count = points.len();
        let without_dense = lacking(&points, DENSE);
        let without_sparse = lacking(&points, SPARSE);
        if without_dense.is_empty() && without_sparse.is_empty() {
            let message = UpsertPoints {
                collection_name: collection.to_owned(),
                wait: Some(true),
                points,
                timeout: Some(timeout),
                ..UpsertPoints::default()
            };
            return Self {
                whole: true,
                operations: 1,
                points: count,
                message: message.encode_to_vec().into(),
            };
        }
        // A server keeps the vectors of an indexed point that its new version lacks (it merges on
        // copy, as `qdrant-edge` 0.7.2 shows); these must go. Operations of one call are carried
        // out in order.
        let mut operations = vec![Operation::Upsert(PointStructList {
            points,
            ..PointStructList::default()
        })];
        operations.extend(delete_vectors(without_dense, DENSE));
        operations.extend(delete_vectors(without_sparse, SPARSE));
        let changes = operations.len();
        let message = UpdateBatchPoints {
            collection_name: collection.to_owned(),
            wait: Some(true),
            operations: operations
                .into_iter()
                .map(|operation| PointsUpdateOperation {
                    operation: Some(operation),
                })
                .collect(),
            timeout: Some(timeout),
            ..UpdateBatchPoints::default()
        };
        Self {
            whole: false,
            operations: changes,
            points: count,
            message: message.encode_to_vec().into(),
        }
    }

    /// Cuts the batch in two.
    fn halves(&self) -> Result<[Self; 2], Error> {
        let undecodable = |source: prost::DecodeError| {
            spec::error(ErrorKind::Unexpected, "a batch cannot be read again").with_source(source)
        };
        let (collection, timeout, mut first) = if self.whole {
            let message = UpsertPoints::decode(self.message.clone()).map_err(undecodable)?;
            (message.collection_name, message.timeout, message.points)
        } else {
            let message = UpdateBatchPoints::decode(self.message.clone()).map_err(undecodable)?;
            let points = message
                .operations
                .into_iter()
                .find_map(|operation| match operation.operation {
                    Some(Operation::Upsert(list)) => Some(list.points),
                    _ => None,
                })
                .unwrap_or_default();
            (message.collection_name, message.timeout, points)
        };
        let second = first.split_off(first.len() / 2);
        let timeout = timeout.unwrap_or_default();
        Ok([
            Self::new(&collection, first, timeout),
            Self::new(&collection, second, timeout),
        ])
    }
}

fn lacking(points: &[PointStruct], vector: &str) -> Vec<PointId> {
    points
        .iter()
        .filter(|point| !value::has_vector(point, vector))
        .filter_map(|point| point.id.clone())
        .collect()
}

fn delete_vectors(ids: Vec<PointId>, vector: &str) -> Option<Operation> {
    if ids.is_empty() {
        return None;
    }
    Some(Operation::DeleteVectors(DeleteVectors {
        points_selector: Some(PointsSelector {
            points_selector_one_of: Some(PointsSelectorOneOf::Points(PointsIdsList { ids })),
        }),
        vectors: Some(VectorsSelector {
            names: vec![vector.to_owned()],
        }),
        ..DeleteVectors::default()
    }))
}
