//! Named random streams: what a draw yields hangs on the run's seed, its purpose and its entity, never on who drew before.
//!
//! So two policies under one seed meet the same failures and pull times (common random numbers). A stream is never shared
//! between purposes or entities. Draws are of `u64` and `f64` only, which are the same on every machine.

use rand::TryRng;
use rand_pcg::Pcg64;
use std::convert::Infallible;

/// What a stream is for; each use of randomness has its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Purpose(u64);

impl Purpose {
    /// Returns the purpose with a name, unique in the program.
    pub const fn named(name: &'static str) -> Self {
        Self(fnv1a(name.as_bytes()))
    }
}

/// Returns a stable number for the entity with a name (FNV-1a, 64 bits).
pub const fn entity(name: &str) -> u64 {
    fnv1a(name.as_bytes())
}

/// Returns a stable number for an entity within an entity, such as the third restart of a pod.
pub const fn entity2(outer: u64, inner: u64) -> u64 {
    mix(mix(outer).wrapping_add(inner))
}

/// All streams of one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Streams {
    seed: u64,
}

impl Streams {
    /// Returns the streams of the run with a seed.
    pub const fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// Returns a fresh copy of the stream for a purpose and an entity: the same draws each time it is asked for.
    pub fn stream(&self, purpose: Purpose, entity: u64) -> Stream {
        let base = mix(mix(mix(self.seed).wrapping_add(purpose.0)).wrapping_add(entity));
        let word = |n: u64| u128::from(mix(base.wrapping_add(n.wrapping_mul(GOLDEN))));
        Stream(Pcg64::new((word(1) << 64) | word(2), (word(3) << 64) | word(4)))
    }
}

/// A stream of random numbers (PCG XSL RR 128/64). Works with everything that takes a `rand::Rng`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream(Pcg64);

impl Stream {
    /// Returns the next 64 random bits.
    pub fn bits(&mut self) -> u64 {
        let Ok(bits) = self.0.try_next_u64();
        bits
    }

    /// Returns a number from 0 up to but not including 1, one of 2^53 that are equally likely.
    pub fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * TWO_TO_MINUS_53
    }

    /// Returns a number between 0 and 1, both excluded: an argument for a quantile function.
    pub fn uniform_open(&mut self) -> f64 {
        // 52 bits: with 53 the largest would be rounded to 1.
        ((self.bits() >> 12) as f64 + 0.5) * (2.0 * TWO_TO_MINUS_53)
    }

    /// Returns true with the given probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.uniform() < probability
    }

    /// Returns an index below `len`, which must not be 0; all are equally likely.
    pub fn index(&mut self, len: usize) -> usize {
        assert!(len > 0, "nothing to choose from");
        let len = u64::try_from(len).expect("an index fits 64 bits");
        // Lemire's method: the high half of a product, rejecting the few products that would favour some indices.
        let rejected = len.wrapping_neg() % len;
        loop {
            let product = u128::from(self.bits()) * u128::from(len);
            let [high, low] = halves(product);
            if low >= rejected {
                return usize::try_from(high).expect("it is below a usize");
            }
        }
    }

    /// Returns one of `items` at random, `None` if there are none.
    pub fn choose<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        if items.is_empty() { None } else { Some(&items[self.index(items.len())]) }
    }

    /// Puts `items` in random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.index(last + 1);
            items.swap(last, other);
        }
    }
}

impl TryRng for Stream {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.0.try_next_u32()
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.0.try_next_u64()
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.0.try_fill_bytes(bytes)
    }
}

const TWO_TO_MINUS_53: f64 = 1.0 / (1u64 << 53) as f64;

/// 2^64 divided by the golden ratio: consecutive multiples differ in many bits.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// Scrambles 64 bits so that a change of any input bit changes each output bit about half the time (the finalizer of `SplitMix64`).
const fn mix(bits: u64) -> u64 {
    let bits = bits.wrapping_add(GOLDEN);
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

const fn fnv1a(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325;
    let mut index = 0;
    while index < bytes.len() {
        hash = (hash ^ bytes[index] as u64).wrapping_mul(0x0100_0000_01b3);
        index += 1;
    }
    hash
}

#[expect(clippy::cast_possible_truncation, reason = "takes the two halves of the product")]
fn halves(product: u128) -> [u64; 2] {
    [(product >> 64) as u64, product as u64]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const PULL: Purpose = Purpose::named("pull");
    const LOAD: Purpose = Purpose::named("load");

    #[test]
    fn entities_are_numbered_by_fnv_1a() {
        // Vectors of the FNV reference code.
        assert_eq!(entity(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(entity("a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(entity("foobar"), 0x8594_4171_f739_67e8);
        assert_ne!(entity2(1, 2), entity2(2, 1));
        assert_ne!(entity2(1, 2), entity2(3, 0));
    }

    #[test]
    fn a_stream_hangs_on_seed_purpose_and_entity_only() {
        let first = |seed, purpose, entity| Streams::new(seed).stream(purpose, entity).bits();
        let streams = Streams::new(7);
        streams.stream(LOAD, 0).bits();
        assert_eq!(streams.stream(PULL, 3).bits(), first(7, PULL, 3));
        let mut seen = BTreeSet::new();
        for seed in 0..20 {
            for entity in 0..20 {
                seen.extend([first(seed, PULL, entity), first(seed, LOAD, entity)]);
            }
        }
        assert_eq!(seen.len(), 800);
    }

    #[test]
    fn the_first_draws_never_change() {
        let mut stream = Streams::new(42).stream(PULL, entity("node-1"));
        let draws: Vec<String> = (0..4).map(|_| format!("{:016x}", stream.bits())).collect();
        insta::assert_snapshot!(draws.join(" "), @"f1fb71cecab8ad1b 5bdb6a73e4f26e14 38e47184ae7925ea 1a77665dca92a5a8");
        let mut items: Vec<usize> = (0..10).collect();
        stream.shuffle(&mut items);
        insta::assert_snapshot!(format!("{items:?} {:?} {}", stream.uniform(), stream.index(1000)), @"[2, 4, 9, 6, 1, 7, 3, 5, 0, 8] 0.42492416845553116 802");
    }

    #[test]
    fn neighbouring_entities_are_not_alike() {
        // The mean of 10,000 first draws of neighbouring streams, and their correlation, are as for independent ones.
        let streams = Streams::new(0);
        let draws: Vec<f64> =
            (0..10_000).map(|entity| streams.stream(PULL, entity).uniform() - 0.5).collect();
        let mean = draws.iter().sum::<f64>() / 10_000.0;
        let product = draws.windows(2).map(|pair| pair[0] * pair[1]).sum::<f64>() / 9_999.0;
        assert!(mean.abs() < 4.0 * 0.2887 / 100.0, "{mean}");
        assert!(product.abs() < 4.0 / 12.0 / 100.0, "{product}");
    }

    #[test]
    fn indices_are_equally_likely() {
        let mut stream = Streams::new(1).stream(PULL, 0);
        let mut counts = [0_i32; 7];
        for _ in 0..70_000 {
            counts[stream.index(7)] += 1;
        }
        for count in counts {
            assert!((count - 10_000).abs() < 400, "{counts:?}");
        }
    }

    #[test]
    fn open_draws_are_never_0_or_1() {
        assert!((((u64::MAX >> 12) as f64) + 0.5) * (2.0 * TWO_TO_MINUS_53) < 1.0);
    }

    #[test]
    fn shuffling_keeps_every_item() {
        let mut stream = Streams::new(1).stream(LOAD, 0);
        let mut items: Vec<u32> = (0..100).collect();
        stream.shuffle(&mut items);
        assert_ne!(items, (0..100).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
    }
}
