//! The image pulls of one node: who pulls, who waits for the same image, who waits for its turn.
//!
//! Implements kubelet 1.36's `serializeImagePulls` (one pull at a time, in the order of asking) and the containerd rule that
//! two pulls of one image fetch it once. What a pull takes is not decided here.
//!
//! # Differs from the real thing
//! A pull that is given up keeps none of its layers, and images share no layers. Pulls never fail, so `ImagePullBackOff` does not occur.

use super::CacheKey;
use crate::backend::sim::kubelet::PodId;

/// A pod's wish for an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::backend::sim) struct Pull {
    /// The pod.
    pub(in crate::backend::sim) pod: PodId,
    /// Its stage.
    pub(in crate::backend::sim) stage: u8,
    /// What the pull leaves on the node; `None` where nothing is kept.
    pub(in crate::backend::sim) key: Option<CacheKey>,
}

/// Pulls of one node, in the order in which they were asked for.
#[derive(Clone, Debug, Default)]
pub(in crate::backend::sim) struct Pulls {
    going: Vec<Pull>,
    waiting: Vec<Pull>,
}

impl Pulls {
    /// Notes that a pod asks for an image; [`next`](Self::next) says when its pull begins.
    pub(in crate::backend::sim) fn ask(&mut self, pull: Pull) {
        self.waiting.push(pull);
    }

    /// Takes the next pull that can begin, with whether its image is there already. A pull that finds its image occupies no turn.
    pub(in crate::backend::sim) fn next(
        &mut self,
        is_serial: bool,
        is_there: impl Fn(CacheKey) -> bool,
    ) -> Option<(Pull, bool)> {
        let begins = |pull: &Pull| {
            if pull.key.is_some_and(&is_there) {
                return Some(true);
            }
            let is_shared =
                pull.key.is_some() && self.going.iter().any(|going| going.key == pull.key);
            let is_blocked = is_shared || (is_serial && !self.going.is_empty());
            (!is_blocked).then_some(false)
        };
        let (index, is_hit) = self
            .waiting
            .iter()
            .enumerate()
            .find_map(|(index, pull)| Some((index, begins(pull)?)))?;
        let pull = self.waiting.remove(index);
        if !is_hit {
            self.going.push(pull);
        }
        Some((pull, is_hit))
    }

    /// Forgets the pulls of a pod, whether they wait or go on; returns whether there were any.
    pub(in crate::backend::sim) fn drop_pod(&mut self, pod: PodId) -> bool {
        let before = self.going.len() + self.waiting.len();
        self.going.retain(|pull| pull.pod != pod);
        self.waiting.retain(|pull| pull.pod != pod);
        self.going.len() + self.waiting.len() < before
    }

    /// Ends a pull of a pod.
    pub(in crate::backend::sim) fn end(&mut self, pod: PodId, stage: u8) {
        self.going.retain(|pull| (pull.pod, pull.stage) != (pod, stage));
    }

    /// Returns the pod whose pull a waiting pod waits for; `None` if it does not wait.
    pub(in crate::backend::sim) fn ahead_of(&self, pod: PodId) -> Option<PodId> {
        let waiting = self.waiting.iter().find(|pull| pull.pod == pod)?;
        let same = self.going.iter().find(|going| going.key.is_some() && going.key == waiting.key);
        same.or_else(|| self.going.first()).map(|going| going.pod)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::sim::start::Keys;
    use std::sync::Arc;

    /// Lets pods ask for images (one letter each) and plays rounds: all that can begin begins, then the first that goes
    /// on ends. Returns what began in each round; lower case is a hit.
    fn check(is_serial: bool, wanted: &str, expected: &str) {
        let mut keys = Keys::default();
        let mut pulls = Pulls::default();
        let mut kept: Vec<CacheKey> = Vec::new();
        for (index, image) in wanted.chars().enumerate() {
            let image: Arc<str> = image.to_string().into();
            pulls.ask(Pull {
                pod: PodId(index as u64),
                stage: 0,
                key: Some(keys.image(&image, false)),
            });
        }
        let letters: Vec<char> = wanted.chars().collect();
        let mut log = String::new();
        loop {
            while let Some((pull, is_hit)) = pulls.next(is_serial, |key| kept.contains(&key)) {
                let letter = letters[usize::try_from(pull.pod.0).unwrap()];
                log.push(if is_hit { letter.to_ascii_lowercase() } else { letter });
            }
            let Some(done) = pulls.going.first().copied() else { break };
            log.push('|');
            kept.extend(done.key);
            pulls.end(done.pod, done.stage);
        }
        assert_eq!(log.trim_end_matches('|'), expected, "{wanted} serial {is_serial}");
        assert!(pulls.waiting.is_empty());
    }

    #[test]
    fn serial_pulls_go_one_by_one_in_the_order_of_asking() {
        check(true, "ABC", "A|B|C");
        check(true, "ABA", "A|Ba");
        check(true, "ABBA", "A|Ba|b");
    }

    #[test]
    fn parallel_pulls_share_only_equal_images() {
        check(false, "ABC", "ABC");
        check(false, "AAB", "AB|a");
    }

    #[test]
    fn a_pull_that_is_given_up_passes_to_the_next_who_wants_the_image() {
        let mut keys = Keys::default();
        let image: Arc<str> = "a".into();
        let key = Some(keys.image(&image, false));
        let mut pulls = Pulls::default();
        pulls.ask(Pull { pod: PodId(1), stage: 0, key });
        pulls.ask(Pull { pod: PodId(2), stage: 0, key });
        assert_eq!(pulls.next(true, |_| false).map(|(pull, _)| pull.pod), Some(PodId(1)));
        assert_eq!(pulls.next(true, |_| false), None);
        assert_eq!(pulls.ahead_of(PodId(2)), Some(PodId(1)));
        pulls.drop_pod(PodId(1));
        assert_eq!(
            pulls.next(true, |_| false),
            Some((Pull { pod: PodId(2), stage: 0, key }, false))
        );
    }
}
