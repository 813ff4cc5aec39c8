//! The domains of a node, read from its labels.
//!
//! The vocabulary is that of Kubernetes, the clouds, NVIDIA's feature discovery, topograph and Kueue's examples.
//! A key that is not in it counts by its last word, so that `example.com/rack` is a rack.

use std::collections::BTreeMap;

/// Known keys with their level: smaller is wider.
const KEYS: [(&str, u32); 22] = [
    ("topology.kubernetes.io/region", 0),
    ("topology.kubernetes.io/zone", 10),
    ("topology.k8s.aws/network-node-layer-1", 20),
    ("cloud.google.com/gce-topology-block", 30),
    ("cloud.provider.com/topology-block", 30),
    ("fabric.topograph.run/tier-3", 21),
    ("fabric.topograph.run/tier-2", 22),
    ("fabric.topograph.run/tier-1", 30),
    ("network.topology.nvidia.com/datacenter", 21),
    ("network.topology.nvidia.com/spine", 22),
    ("network.topology.nvidia.com/block", 30),
    ("topology.k8s.aws/network-node-layer-2", 30),
    ("cloud.google.com/gke-nodepool", 40),
    ("fabric.topograph.run/tier-0", 50),
    ("cloud.google.com/gce-topology-subblock", 60),
    ("topology.k8s.aws/network-node-layer-3", 60),
    ("cloud.provider.com/topology-rack", 60),
    ("network.topology.nvidia.com/accelerator", 70),
    ("accelerator.topograph.run/domain", 70),
    ("nvidia.com/gpu.clique", 70),
    ("accelerator.topograph.run/sub-domain", 71),
    ("cloud.google.com/gce-topology-host", 80),
];

/// Last words of other keys with their level.
const WORDS: [(&str, u32); 6] =
    [("region", 1), ("zone", 11), ("block", 31), ("nodepool", 41), ("rack", 61), ("clique", 72)];

/// Returns the label keys and values of a node's domains, from the widest to the narrowest. Labels that name no
/// domain, the host name among them, are left out.
pub fn domain_path(labels: &BTreeMap<String, String>) -> Vec<(String, String)> {
    let mut levels: Vec<(u32, &String, &String)> =
        labels.iter().filter_map(|(key, value)| Some((level(key)?, key, value))).collect();
    levels.sort_unstable();
    levels.into_iter().map(|(_, key, value)| (key.clone(), value.clone())).collect()
}

fn level(key: &str) -> Option<u32> {
    if let Some((_, level)) = KEYS.iter().find(|(known, _)| *known == key) {
        return Some(*level);
    }
    let word = key.rsplit(['/', '.', '-']).next()?;
    WORDS.iter().find(|(known, _)| *known == word).map(|(_, level)| *level)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(labels: &[(&str, &str)], expected: &[&str]) {
        let labels =
            labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let values: Vec<String> =
            domain_path(&labels).into_iter().map(|(_, value)| value).collect();
        assert_eq!(values, expected);
    }

    #[test]
    fn domains_come_from_the_widest_to_the_narrowest() {
        check(
            &[
                ("cloud.google.com/gce-topology-subblock", "sub"),
                ("kubernetes.io/hostname", "host"),
                ("topology.kubernetes.io/zone", "zone"),
                ("cloud.google.com/gce-topology-block", "block"),
                ("topology.kubernetes.io/region", "region"),
            ],
            &["region", "zone", "block", "sub"],
        );
        check(&[("example.com/rack", "r"), ("team", "x"), ("example.com/block", "b")], &["b", "r"]);
        check(&[("kubernetes.io/hostname", "host")], &[]);
    }
}
