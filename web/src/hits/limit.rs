//! How many page views one household may send: memory alone, as a view must
//! not cost a write of its own.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::HeaderMap;

use crate::auth;
use crate::error::{Error, Result};
use crate::state::AppState;
use crate::visitor::Peer;

/// Page views of one household in a window at most: many people can share an
/// address.
const TIMES: u32 = 3000;
/// The window.
const WINDOW: Duration = Duration::from_secs(60);
/// Households that are counted at most; more of them are let in uncounted, so
/// that many strangers lock nobody out.
const HOUSEHOLDS: usize = 100_000;

/// Page views of each household in this window.
#[derive(Default)]
pub struct HitLimit(Mutex<Window>);

#[derive(Default)]
struct Window {
    began: Option<Instant>,
    counts: HashMap<String, u32>,
}

/// Counts one more page view. The admin is never refused.
///
/// # Errors
/// [`Error::TooMany`] when it was enough for now; when the salt of the day or
/// the admin cannot be looked up.
pub async fn check(state: &AppState, headers: &HeaderMap, peer: &Peer) -> Result<()> {
    let who = state.household(headers, peer).await?;
    let Err(wait) = state.hit_limit.take(who, Instant::now()) else {
        return Ok(());
    };
    match auth::look_up(headers, state).await? {
        Some(_) => Ok(()),
        None => Err(Error::TooMany { wait }),
    }
}

impl HitLimit {
    /// Counts one more of `who`, or says how long to wait.
    fn take(&self, who: String, now: Instant) -> std::result::Result<(), Duration> {
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let age = window.began.map_or(WINDOW, |began| now.saturating_duration_since(began));
        if age >= WINDOW {
            *window = Window { began: Some(now), counts: HashMap::new() };
            return window.count(who, WINDOW);
        }
        window.count(who, WINDOW - age)
    }
}

impl Window {
    fn count(&mut self, who: String, rest: Duration) -> std::result::Result<(), Duration> {
        if self.counts.len() >= HOUSEHOLDS && !self.counts.contains_key(&who) {
            return Ok(());
        }
        let count = self.counts.entry(who).or_default();
        *count = count.saturating_add(1);
        if *count > TIMES { Err(rest) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_household_is_refused_until_the_window_ends_and_others_are_not() {
        let (limit, now) = (HitLimit::default(), Instant::now());
        let take =
            |who: &str, second| limit.take(who.to_owned(), now + Duration::from_secs(second));
        assert!((0..TIMES).all(|_| take("one", 0).is_ok()));
        assert_eq!(take("one", 20), Err(Duration::from_secs(40)));
        assert_eq!(take("other", 20), Ok(()));
        assert_eq!(take("one", 60), Ok(()));
    }

    #[test]
    fn strangers_without_number_take_bounded_memory_and_lock_nobody_out() {
        let (limit, now) = (HitLimit::default(), Instant::now());
        for number in 0..HOUSEHOLDS + 10 {
            assert_eq!(limit.take(number.to_string(), now), Ok(()));
        }
        assert_eq!(limit.0.lock().unwrap().counts.len(), HOUSEHOLDS);
    }
}
