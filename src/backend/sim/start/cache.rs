//! What a node keeps from earlier starts: images and results of stages, on disk or in the page cache.
//!
//! Implements the rule that a result is there for every later stage with an equal key on that node. A node restart
//! empties the page cache, never the disk.
//!
//! # Differs from the real thing
//! Disks and memory have no capacity here: the kubelet's image garbage collection and the eviction of pages do not happen.

use rustc_hash::FxHashMap;
use std::sync::Arc;

/// Interned name of something that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::backend::sim) struct CacheKey {
    name: u32,
    is_volatile: bool,
}

/// Names of all that nodes keep.
#[derive(Debug, Default)]
pub(in crate::backend::sim) struct Keys {
    images: FxHashMap<Arc<str>, u32>,
    results: FxHashMap<Arc<str>, u32>,
}

/// What one node keeps.
#[derive(Clone, Debug, Default)]
pub(in crate::backend::sim) struct Cache {
    /// A handful of entries: a list is smaller and faster than a set.
    keys: Vec<CacheKey>,
}

impl Keys {
    /// Returns the key of an image.
    pub(in crate::backend::sim) fn image(
        &mut self,
        image: &Arc<str>,
        is_volatile: bool,
    ) -> CacheKey {
        let next = self.next();
        CacheKey { name: *self.images.entry(Arc::clone(image)).or_insert(next), is_volatile }
    }

    /// Returns the key of a stage's result.
    pub(in crate::backend::sim) fn result(
        &mut self,
        key: &Arc<str>,
        is_volatile: bool,
    ) -> CacheKey {
        let next = self.next();
        CacheKey { name: *self.results.entry(Arc::clone(key)).or_insert(next), is_volatile }
    }

    fn next(&self) -> u32 {
        u32::try_from(self.images.len() + self.results.len()).expect("fewer than 2^32 cache keys")
    }
}

impl Cache {
    /// Returns whether a result is there.
    pub(in crate::backend::sim) fn has(&self, key: CacheKey) -> bool {
        self.keys.contains(&key)
    }

    /// Keeps a result.
    pub(in crate::backend::sim) fn keep(&mut self, key: CacheKey) {
        if !self.has(key) {
            self.keys.push(key);
        }
    }

    /// Forgets what a restart of the node loses.
    pub(in crate::backend::sim) fn lose_volatile(&mut self) {
        self.keys.retain(|key| !key.is_volatile);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_and_results_of_one_name_are_different_things() {
        let mut keys = Keys::default();
        let name: Arc<str> = "llama".into();
        let other: Arc<str> = "mistral".into();
        let all = [
            keys.image(&name, false),
            keys.result(&name, false),
            keys.image(&other, false),
            keys.result(&other, true),
        ];
        let mut cache = Cache::default();
        for (index, key) in all.into_iter().enumerate() {
            assert!(all[index..].iter().all(|later| !cache.has(*later)), "{key:?}");
            cache.keep(key);
        }
        assert_eq!(keys.image(&name, false), all[0]);
    }

    #[test]
    fn a_restart_loses_the_page_cache_and_keeps_the_disk() {
        let mut keys = Keys::default();
        let name: Arc<str> = "llama".into();
        let (disk, memory) = (keys.result(&name, false), keys.result(&name, true));
        let mut cache = Cache::default();
        cache.keep(disk);
        assert!(!cache.has(memory), "a copy on disk is not in memory");
        cache.keep(memory);
        cache.lose_volatile();
        assert_eq!((cache.has(disk), cache.has(memory)), (true, false));
    }
}
