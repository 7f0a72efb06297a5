//! Hears a refused upload out: a client that is still sending when its
//! connection is closed sees a reset, and never the answer.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use futures_util::StreamExt as _;
use tokio::sync::Mutex;

/// Bytes that are read and thrown away at most; who sends more is cut off.
const BYTES: usize = 64 * 1024 * 1024;
/// How long that may take.
const TIME: Duration = Duration::from_secs(30);

type Shared = Arc<Mutex<BodyDataStream>>;

/// Lets the rest of the body come in before a refusal is answered. Who is not
/// signed in is not heard out.
pub async fn refused(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let body = Arc::new(Mutex::new(body.into_data_stream()));
    let response = next.run(Request::from_parts(parts, lent(Arc::clone(&body)))).await;
    if response.status().is_client_error() && response.status() != StatusCode::UNAUTHORIZED {
        // A body that never ends is given up; the answer is sent all the same.
        let _gave_up = tokio::time::timeout(TIME, drain(&body)).await;
    }
    response
}

/// The body for the handler, which may drop it half read.
fn lent(body: Shared) -> Body {
    Body::from_stream(futures_util::stream::unfold(body, async |body| {
        let piece = body.lock().await.next().await?;
        Some((piece, body))
    }))
}

async fn drain(body: &Shared) {
    let (mut body, mut read) = (body.lock().await, 0);
    while let Some(Ok(piece)) = body.next().await {
        read += piece.len();
        if read > BYTES {
            return;
        }
    }
}
