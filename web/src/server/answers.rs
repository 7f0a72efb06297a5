//! What hyper asks for each request of one connection.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Method, Request, Response, Version};
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::service::Service;
use tokio::sync::OwnedSemaphorePermit;
use tower_service::Service as _;

use super::flushed::Flushed;
use super::head;
use crate::hub::sse::{self, TakeOver};
use crate::hub::{Framing, Mode, Watch};

/// The pause of a client that asked for events while an answer was under way.
const AGAIN: Duration = Duration::from_secs(1);

/// A request for events whose answer hyper is not to give.
pub(super) struct Taken {
    pub(super) head: Bytes,
    pub(super) framing: Framing,
    pub(super) watch: Watch,
}

/// The site, to one connection.
#[derive(Clone)]
pub(super) struct Answers {
    pub(super) router: Router,
    pub(super) peer: SocketAddr,
    pub(super) flushed: Flushed,
    /// Held up to the first answer, and not for long: what bounds a burst of
    /// new connections.
    pub(super) turn: Arc<Mutex<Option<OwnedSemaphorePermit>>>,
    pub(super) taken: Arc<Mutex<Option<Taken>>>,
}

/// Ends hyper's part in a connection before it has answered anything.
#[derive(Debug)]
pub(super) struct HandedOver;

impl fmt::Display for HandedOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the socket is handed over to the live hub")
    }
}

impl std::error::Error for HandedOver {}

impl Service<Request<Incoming>> for Answers {
    type Response = Response<Body>;
    type Error = HandedOver;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, HandedOver>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        Box::pin(self.clone().answer(request))
    }
}

impl Answers {
    async fn answer(mut self, request: Request<Incoming>) -> Result<Response<Body>, HandedOver> {
        let (method, version) = (request.method().clone(), request.version());
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(self.peer));
        let Ok(mut response) = self.router.call(request).await;
        self.turn.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(take_over) = response.extensions_mut().remove::<TakeOver>() else {
            return Ok(response);
        };
        match take_over.take() {
            Some(watch) if method == Method::GET => self.hand_over(response, version, watch),
            _ => Ok(response),
        }
    }

    /// What hyper still has to send of an earlier answer would be lost: a
    /// client that did not wait for it is to come again.
    fn hand_over(
        self,
        response: Response<Body>,
        version: Version,
        watch: Watch,
    ) -> Result<Response<Body>, HandedOver> {
        if !self.flushed.get() {
            return Ok(sse::later(AGAIN));
        }
        // An answer that ends soon ends with its connection.
        let chunked = version == Version::HTTP_11 && !matches!(watch.mode, Mode::Poll(_));
        let framing = if chunked { Framing::Chunked } else { Framing::Plain };
        let head = head::encode(&response.into_parts().0, framing);
        let taken = Taken { head, framing, watch };
        *self.taken.lock().unwrap_or_else(PoisonError::into_inner) = Some(taken);
        Err(HandedOver)
    }
}
