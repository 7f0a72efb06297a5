//! Makes the variants of an image, and writes down what came of it.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::try_join_all;
use shared::blobs::{self, PutOptions};
use shared::db::{Tx, images as db_images};
use shared::envelope::Envelope;
use shared::error::chain;
use shared::jobs::Job;
use shared::jobs::compute::ComputeOutcome;
use shared::jobs::images::{MakeVariants, Picture, Variant, VariantsMade};
use shared::queues::Queue;
use tokio::sync::Semaphore;

use super::Buckets;
use super::settle::{self, Refusal, Settled};
use crate::images::{self, ImageError, Made};
use crate::registry::{Away, Failure, Outcome, Registry, RegistryError};
use crate::runner::{Live, progress, publish_results};

/// Originals of more bytes are not even fetched whole.
const ORIGINAL_MAX: usize = 64 * 1024 * 1024;
/// What an image says whose job was called off.
const CANCELLED: &str = "the admin cancelled it";
/// What it says when its job is dead.
const GIVEN_UP: &str = "the image could not be processed; the admin can try it again";
/// A content-addressed object never changes.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// Registers the compute job.
///
/// # Errors
/// When it is registered already.
pub fn register_compute(registry: &mut Registry, buckets: Buckets) -> Result<(), RegistryError> {
    // One at a time whatever the queue says: a decoded image can be large, and
    // one that ran out of time still holds its memory until it ends.
    let turn = Arc::new(Semaphore::new(1));
    registry.compute::<MakeVariants, Picture, VariantsMade, _>(
        move |job| make(buckets.clone(), Arc::clone(&turn), job.payload),
        |job, outcome| VariantsMade { job, outcome },
    )
}

/// Registers the data job with the result.
///
/// # Errors
/// When it is registered already.
pub fn register_results(registry: &mut Registry, queues: Live) -> Result<(), RegistryError> {
    registry.data::<VariantsMade>(move |tx, result| {
        let VariantsMade { job, outcome } = &result.payload;
        match queues.borrow().queues.get(MakeVariants::QUEUE) {
            Some(queue) => settle(tx, queue, job, outcome),
            None => Ok(Outcome::Discard(format!("the queue {} is gone", MakeVariants::QUEUE))),
        }
    })
}

async fn make(
    buckets: Buckets,
    turn: Arc<Semaphore>,
    job: MakeVariants,
) -> Result<ComputeOutcome<Picture>, Away> {
    let original = match fetch(&buckets, &job.original).await {
        Ok(original) => original,
        Err(error) => return failed_store(&buckets, &error).await,
    };
    match scaled(original, turn).await {
        Ok(made) => match store(&buckets, made).await {
            Ok(picture) => Ok(ComputeOutcome::Made(picture)),
            Err(error) => failed_store(&buckets, &error).await,
        },
        Err(error) if error.is_refusal() => Ok(ComputeOutcome::Refused(error.to_string())),
        Err(error) => Ok(ComputeOutcome::failed(chain(&error))),
    }
}

/// What a failed request means. A store that does not answer for its bucket
/// either is away as a whole, else the object is at fault.
async fn failed_store(
    buckets: &Buckets,
    error: &blobs::Error,
) -> Result<ComputeOutcome<Picture>, Away> {
    if let blobs::Error::TooLarge { length, .. } = error {
        let (mib, max) = (length >> 20, ORIGINAL_MAX >> 20);
        let why = format!("the file has {mib} MiB; at most {max} are taken");
        return Ok(ComputeOutcome::Refused(why));
    }
    if error.is_unavailable() && buckets.private.ready().await.is_err() {
        return Err(Away(chain(error)));
    }
    Ok(ComputeOutcome::failed(chain(error)))
}

async fn fetch(buckets: &Buckets, key: &str) -> Result<Bytes, blobs::Error> {
    buckets.private.get(key).await?.bytes(ORIGINAL_MAX).await
}

async fn scaled(original: Bytes, turn: Arc<Semaphore>) -> Result<Made, ImageError> {
    let turn = turn.acquire_owned().await;
    progress::report(0.1);
    let work = move || {
        let _turn = turn;
        images::make(&original)
    };
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(ImageError::Panicked))
}

async fn store(buckets: &Buckets, made: Made) -> Result<Picture, blobs::Error> {
    progress::report(0.8);
    let puts = made.files.into_iter().map(async |file| {
        let (variant, content) = file;
        let options = PutOptions {
            content_type: Some(variant.media_type.clone()),
            cache_control: Some(FOR_EVER.to_owned()),
            sha256: None,
        };
        buckets.public.put(&variant.key, content, options).await?;
        Ok::<Variant, blobs::Error>(variant)
    });
    Ok(Picture {
        width: made.width,
        height: made.height,
        placeholder: made.placeholder,
        variants: try_join_all(puts).await?,
    })
}

/// Writes down what came of one attempt, once. A refused upload is no dead job:
/// the job did what it could, and the image says why it cannot be shown.
fn settle(
    tx: &Tx<'_>,
    queue: &Queue,
    job: &Envelope<MakeVariants>,
    outcome: &ComputeOutcome<Picture>,
) -> Result<Outcome, Failure> {
    let (place, image) = ((MakeVariants::QUEUE, queue), job.payload.image);
    match settle::settle(tx, place, job, outcome, Refusal::IsDone)? {
        Settled::Made(picture) => {
            db_images::made(tx, image, picture, job.id)?;
            let result = serde_json::json!({"image": image, "picture": picture});
            publish_results(tx, queue, job, &result)?;
        }
        Settled::Refused(why) => {
            tracing::info!(%image, why, "an upload was refused");
            db_images::failed(tx, image, why, job.id)?;
        }
        Settled::Dead => db_images::failed(tx, image, GIVEN_UP, job.id)?,
        Settled::Cancelled => db_images::failed(tx, image, CANCELLED, job.id)?,
        Settled::Known | Settled::Retrying => {}
    }
    Ok(Outcome::Done)
}
