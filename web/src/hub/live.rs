//! What `/events` needs, wherever it is served.

use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;

use ipnet::IpNet;

use super::Hub;
use crate::auth::desk::{Desk, Viewer};
use crate::config::{Connections, Rules};
use crate::server::places::{Place, Places};

/// Handle to what `/events` needs; a clone is one more reference.
#[derive(Clone)]
pub struct Live(Arc<Parts>);

/// What `/events` needs.
pub struct Parts {
    /// Where events come from.
    pub hub: Hub,
    /// Who says who asks.
    pub desk: Desk,
    /// Addresses and networks whose `X-Forwarded-For` is believed.
    pub trusted: Vec<IpNet>,
    /// What may be asked for.
    pub rules: Rules,
    places: Arc<Places>,
}

impl Deref for Live {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl Live {
    /// Puts the parts together.
    #[must_use]
    pub fn new(
        (hub, desk): (Hub, Desk),
        trusted: Vec<IpNet>,
        connections: Connections,
        rules: Rules,
    ) -> Self {
        let places = Places::new(connections.live, connections.live_each);
        Self(Arc::new(Parts { hub, desk, trusted, rules, places }))
    }
}

impl Parts {
    /// A place for a client; the admin and what stands behind a trusted proxy
    /// without a name of its own are not counted by address.
    pub(super) fn enter(&self, viewer: &Viewer, address: IpAddr) -> Option<Place> {
        let trusted = self.trusted.iter().any(|network| network.contains(&address));
        let counted = !trusted && !matches!(viewer, Viewer::Admin(_));
        let place = self.places.enter(counted.then_some(address));
        if place.is_none() {
            self.hub.meters.refused.inc();
        }
        place
    }
}
