//! A scratch sum per domain that is cleared in one step.

/// Sums by domain. A domain that was not touched since the last clearing has none.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    entries: Vec<(u32, i64)>,
    round: u32,
    touched: u32,
}

impl Tally {
    /// Forgets all sums.
    pub(super) fn clear(&mut self) {
        if self.round == u32::MAX {
            self.entries.clear();
            self.round = 0;
        }
        self.round += 1;
        self.touched = 0;
    }

    /// Adds to a domain, which is touched by it even if `amount` is zero.
    pub(super) fn add(&mut self, domain: u32, amount: i64) {
        let at = domain as usize;
        if at >= self.entries.len() {
            self.entries.resize(at + 1, (0, 0));
        }
        let entry = &mut self.entries[at];
        if entry.0 == self.round {
            entry.1 += amount;
        } else {
            *entry = (self.round, amount);
            self.touched += 1;
        }
    }

    /// Adds to a domain only if it was touched before.
    pub(super) fn add_if_touched(&mut self, domain: u32, amount: i64) {
        if let Some(entry) = self.entries.get_mut(domain as usize)
            && entry.0 == self.round
        {
            entry.1 += amount;
        }
    }

    /// Returns the sum of a domain, zero if it was not touched.
    pub(super) fn sum(&self, domain: u32) -> i64 {
        self.entries
            .get(domain as usize)
            .filter(|entry| entry.0 == self.round)
            .map_or(0, |entry| entry.1)
    }

    /// Returns how many domains were touched.
    pub(super) fn touched(&self) -> u32 {
        self.touched
    }

    /// Returns the smallest sum of a touched domain.
    pub(super) fn min(&self) -> Option<i64> {
        self.entries.iter().filter(|entry| entry.0 == self.round).map(|entry| entry.1).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_forgotten_when_cleared() {
        let mut tally = Tally::default();
        tally.clear();
        tally.add(3, 5);
        tally.add(3, 1);
        tally.add(0, 0);
        tally.add_if_touched(1, 9);
        assert_eq!((tally.sum(3), tally.sum(1), tally.touched(), tally.min()), (6, 0, 2, Some(0)));
        tally.clear();
        assert_eq!((tally.sum(3), tally.touched(), tally.min()), (0, 0, None));
    }
}
