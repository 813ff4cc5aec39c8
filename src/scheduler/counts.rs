//! Counts per node or per domain that stay small while few are non-zero and turn into a plain array when many are.

/// More entries than this become an array. An assumption: a binary search over 64 entries and the array cost about the same.
const SPARSE_MAX: usize = 64;

/// How many pods of some kind each node, or each domain, has.
#[derive(Clone, Debug)]
pub(super) enum Counts {
    /// Sorted by index, without zeros.
    Sparse(Vec<(u32, u32)>),
    /// By index.
    Dense(Vec<u32>),
}

impl Default for Counts {
    fn default() -> Self {
        Self::Sparse(Vec::new())
    }
}

impl Counts {
    pub(super) fn add(&mut self, index: u32) {
        match self {
            Self::Sparse(entries) => match entries.binary_search_by_key(&index, |entry| entry.0) {
                Ok(at) => entries[at].1 += 1,
                Err(at) => {
                    entries.insert(at, (index, 1));
                    if entries.len() > SPARSE_MAX {
                        self.densify();
                    }
                }
            },
            Self::Dense(counts) => {
                let at = index as usize;
                if at >= counts.len() {
                    counts.resize(at + 1, 0);
                }
                counts[at] += 1;
            }
        }
    }

    pub(super) fn subtract(&mut self, index: u32) {
        match self {
            Self::Sparse(entries) => {
                let at = entries
                    .binary_search_by_key(&index, |entry| entry.0)
                    .expect("what is taken away was counted");
                entries[at].1 -= 1;
                if entries[at].1 == 0 {
                    entries.remove(at);
                }
            }
            Self::Dense(counts) => counts[index as usize] -= 1,
        }
    }

    pub(super) fn at(&self, index: u32) -> u32 {
        match self {
            Self::Sparse(entries) => {
                entries.binary_search_by_key(&index, |entry| entry.0).map_or(0, |at| entries[at].1)
            }
            Self::Dense(counts) => counts.get(index as usize).copied().unwrap_or(0),
        }
    }

    /// Calls `each` with every index whose count is not zero, in order.
    pub(super) fn for_each(&self, mut each: impl FnMut(u32, u32)) {
        match self {
            Self::Sparse(entries) => {
                for &(index, count) in entries {
                    each(index, count);
                }
            }
            Self::Dense(counts) => {
                for (index, &count) in (0..).zip(counts) {
                    if count > 0 {
                        each(index, count);
                    }
                }
            }
        }
    }

    fn densify(&mut self) {
        let Self::Sparse(entries) = self else { return };
        let length = entries.last().map_or(0, |entry| entry.0 as usize + 1);
        let mut counts = vec![0; length];
        for &(index, count) in &*entries {
            counts[index as usize] = count;
        }
        *self = Self::Dense(counts);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn sparse_and_dense_count_alike(adds in prop::collection::vec(0u32..200, 0..400), kept in 0usize..400) {
            let mut counts = Counts::default();
            let mut plain = vec![0u32; 200];
            for &index in &adds {
                counts.add(index);
                plain[index as usize] += 1;
            }
            for &index in adds.iter().skip(kept) {
                counts.subtract(index);
                plain[index as usize] -= 1;
            }
            let mut seen = vec![0u32; 200];
            counts.for_each(|index, count| seen[index as usize] = count);
            prop_assert_eq!(&seen, &plain);
            for index in 0..200 {
                prop_assert_eq!(counts.at(index), plain[index as usize]);
            }
        }
    }
}
