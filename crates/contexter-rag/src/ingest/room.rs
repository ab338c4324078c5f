//! What documents may weigh that are in work at the same time.

use std::future::Future;

use tokio::sync::{Semaphore, SemaphorePermit};

/// What all steps together hold of documents. A number of documents bounds no memory: one may have
/// a few bytes or 16 MiB.
const BYTES: usize = 256 << 20;
/// What room is counted in.
const UNIT: usize = 1 << 10;
/// Blobs that are read at the same time before anybody knows what they weigh.
const READING: usize = 4;

/// Room for documents in work, by weight. Whoever comes first goes first.
#[derive(Debug)]
pub(super) struct Room {
    units: Semaphore,
    reading: Semaphore,
    all: u32,
}

/// Room that is taken, until it is dropped.
#[derive(Debug)]
#[expect(dead_code, reason = "it is held")]
pub(super) struct Taken<'a>(Option<SemaphorePermit<'a>>);

impl Default for Room {
    fn default() -> Self {
        Self::of(BYTES)
    }
}

impl Room {
    fn of(bytes: usize) -> Self {
        let all = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX);
        Self {
            units: Semaphore::new(all as usize),
            reading: Semaphore::new(READING),
            all,
        }
    }

    /// Waits for room; what weighs more than there is goes alone.
    pub(super) async fn take(&self, bytes: usize) -> Taken<'_> {
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX);
        Taken(self.units.acquire_many(units.min(self.all)).await.ok())
    }

    /// Reads a blob and waits for the room that `weigh` says it needs. Few are read before they have
    /// theirs.
    pub(super) async fn read<T, E>(
        &self,
        read: impl Future<Output = Result<T, E>>,
        weigh: impl FnOnce(&T) -> usize,
    ) -> Result<(T, Taken<'_>), E> {
        let _reading = self.reading.acquire().await.ok();
        let blob = read.await?;
        let taken = self.take(weigh(&blob)).await;
        Ok((blob, taken))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn what_is_in_work_weighs_no_more_than_there_is_room_and_a_larger_one_goes_alone() {
        let room = Room::of(10 * UNIT);
        let six = room.take(6 * UNIT).now_or_never().unwrap();
        assert!(room.take(6 * UNIT).now_or_never().is_none());
        let four = room.take(4 * UNIT).now_or_never().unwrap();
        assert!(room.take(100 * UNIT).now_or_never().is_none());
        drop((six, four));
        let huge = room.take(100 * UNIT).now_or_never().unwrap();
        assert!(room.take(1).now_or_never().is_none());
        drop(huge);
        drop(room.take(10 * UNIT).now_or_never().unwrap());
    }

    #[tokio::test]
    async fn few_blobs_are_read_before_there_is_room_and_who_gives_up_leaves_none_taken() {
        let room = Room::of(UNIT);
        let all = room.take(UNIT).await;
        let read = AtomicUsize::new(0);
        let load = || {
            room.read(
                async {
                    read.fetch_add(1, Ordering::Relaxed);
                    Ok::<_, ()>(vec![0; 10 * UNIT])
                },
                Vec::len,
            )
        };
        let mut waiting: Vec<_> = (0..20).map(|_| Box::pin(load())).collect();
        for blob in &mut waiting {
            assert!(futures_util::poll!(blob).is_pending());
        }
        assert_eq!(read.load(Ordering::Relaxed), READING);
        drop((waiting, all));
        let (blob, _taken) = load().now_or_never().unwrap().unwrap();
        assert_eq!(blob.len(), 10 * UNIT);
    }
}
