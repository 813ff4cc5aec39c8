//! `ImageLocality` (kube-scheduler 1.36): nodes that have the pod's images, weighed by how common the images are.

use super::super::cluster::NodeIndex;
use super::super::framework::{Cycle, Plugin, PreScore, SCORE_MAX, Score};

/// Below this nothing is gained (kube-scheduler `minThreshold`, 23 MiB).
const LEAST_BYTES: i64 = 23 * 1024 * 1024;
/// More than this for each container gains nothing (kube-scheduler `maxContainerThreshold`, 1000 MiB).
const MOST_BYTES: i64 = 1000 * 1024 * 1024;

/// The score.
#[derive(Debug, Default)]
pub(in super::super) struct ImageLocality;

impl Score for ImageLocality {
    fn plugin(&self) -> Plugin {
        Plugin::ImageLocality
    }

    fn pre_score(&mut self, cycle: &Cycle<'_>, _feasible: &[NodeIndex]) -> PreScore {
        if cycle.cluster.nodes.has_images() { PreScore::Run } else { PreScore::Constant(0) }
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "kube-scheduler truncates to an integer too; sizes fit"
    )]
    fn score(&self, cycle: &Cycle<'_>, node: NodeIndex) -> i64 {
        let nodes = &cycle.cluster.nodes;
        let (on_node, all) = (nodes.images(node), nodes.order().len() as f64);
        let mut sum = 0;
        for image in &cycle.pod.class.images {
            if let Ok(at) = on_node.binary_search_by_key(image, |entry| entry.0) {
                let spread = f64::from(nodes.nodes_with_image(*image)) / all;
                sum += (on_node[at].1 as f64 * spread) as i64;
            }
        }
        let containers =
            i64::try_from(cycle.pod.class.containers).expect("a pod has few containers");
        let most = MOST_BYTES * containers.max(1);
        SCORE_MAX * (sum.clamp(LEAST_BYTES, most) - LEAST_BYTES) / (most - LEAST_BYTES)
    }
}
