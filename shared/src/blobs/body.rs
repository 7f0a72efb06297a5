//! Bodies on the way out and in, watched for standstill.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt, TryStreamExt};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyDataStream, BodyExt, Full};
use tokio::time::{Instant, Sleep};

use super::digest::Hasher;
use super::error::{BoxError, Error, Target};

/// How long nothing may move before a transfer counts as stalled.
pub(super) const IDLE: Duration = Duration::from_secs(30);

/// The body of any request or response.
pub(super) type Body = UnsyncBoxBody<Bytes, BoxError>;

/// A body that is in memory.
pub(super) fn full(bytes: Bytes) -> Body {
    Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
}

/// A body of `length` bytes from `pieces`. `moved` counts what was taken for
/// sending, `hasher` digests it. More than `length` bytes are an error.
pub(super) fn streamed<S, E>(
    pieces: S,
    length: u64,
    moved: Arc<AtomicU64>,
    hasher: Arc<Mutex<Hasher>>,
) -> Body
where
    S: Stream<Item = Result<Bytes, E>> + Send + 'static,
    E: Into<BoxError> + 'static,
{
    let tapped = pieces.map(move |piece| {
        let piece = piece.map_err(Into::into)?;
        let before = moved.fetch_add(piece.len() as u64, Ordering::Relaxed);
        if before + piece.len() as u64 > length {
            return Err(BoxError::from(format!("the content has more than {length} bytes")));
        }
        hasher.lock().unwrap_or_else(PoisonError::into_inner).update(&piece);
        Ok(piece)
    });
    axum::body::Body::from_stream(tapped).map_err(BoxError::from).boxed_unsync()
}

/// The content of an object as it arrives: a stream of pieces that ends with
/// an error when nothing comes for 30 seconds.
pub struct ObjectBody {
    pieces: BodyDataStream<Body>,
    idle: Pin<Box<Sleep>>,
    target: Target,
}

impl std::fmt::Debug for ObjectBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ObjectBody({})", self.target)
    }
}

impl ObjectBody {
    pub(super) fn new(body: Body, target: Target) -> Self {
        let idle = Box::pin(tokio::time::sleep(IDLE));
        Self { pieces: BodyDataStream::new(body), idle, target }
    }

    /// The whole content, in memory.
    ///
    /// # Errors
    /// [`Error::TooLarge`] as soon as more than `limit` bytes have come, and
    /// whatever breaks the transfer.
    pub async fn bytes(mut self, limit: usize) -> Result<Bytes, Error> {
        let mut content = BytesMut::new();
        while let Some(piece) = self.try_next().await? {
            if content.len() + piece.len() > limit {
                let (length, limit) = ((content.len() + piece.len()) as u64, limit as u64);
                return Err(Error::TooLarge { target: self.target, length, limit });
            }
            content.extend_from_slice(&piece);
        }
        Ok(content.freeze())
    }
}

impl Stream for ObjectBody {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Poll::Ready(next) = self.pieces.poll_next_unpin(cx) {
            self.idle.as_mut().reset(Instant::now() + IDLE);
            let broken = |source| Error::Broken { target: self.target.clone(), source };
            return Poll::Ready(next.map(|piece| piece.map_err(broken)));
        }
        match self.idle.as_mut().poll(cx) {
            Poll::Ready(()) => {
                let target = self.target.clone();
                Poll::Ready(Some(Err(Error::Stalled { target, after: IDLE })))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}
