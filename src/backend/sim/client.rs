//! Client-side rate limits: the token buckets of client-go's `flowcontrol` (v0.36).

use super::setup::ClientLimit;
use crate::engine::{Span, Time};

/// A token bucket, kept as the instant at which it would be full again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    /// Time between tokens; zero is unlimited.
    gap: Span,
    /// How far ahead of `now` the bucket may be drawn.
    depth: Span,
    full_at: Time,
}

impl Bucket {
    /// Returns a full bucket.
    pub(super) fn new(limit: ClientLimit) -> Self {
        let gap = if limit.qps > 0.0 { Span::from_secs_f64(1.0 / limit.qps) } else { Span::ZERO };
        Self { gap, depth: Span(gap.0 * u64::from(limit.burst)), full_at: Time::ZERO }
    }

    /// Takes a token and returns when the request may go.
    pub(super) fn take(&mut self, now: Time) -> Time {
        self.full_at = self.full_at.max(now) + self.gap;
        Time(self.full_at.0.saturating_sub(self.depth.0)).max(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_goes_at_once_and_the_rest_at_the_rate() {
        let mut bucket = Bucket::new(ClientLimit { qps: 20.0, burst: 3 });
        let waits: Vec<u64> = (0..6).map(|_| bucket.take(Time::ZERO).0 / 1_000_000).collect();
        assert_eq!(waits, [0, 0, 0, 50, 100, 150]);
        assert_eq!(bucket.take(Time(10_000_000_000)), Time(10_000_000_000), "it fills up again");
    }
}
