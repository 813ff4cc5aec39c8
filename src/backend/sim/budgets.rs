//! The disruption controller: how many pods a PodDisruptionBudget lets go (kube-controller-manager 1.36,
//! `pkg/controller/disruption`). Pure; who asks for a disruption is elsewhere.

use k8s_openapi::api::policy::v1::PodDisruptionBudgetSpec;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// A pod that a budget chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetedPod {
    /// Whether it is ready and not being deleted.
    pub is_healthy: bool,
    /// Its controller, as any number that tells controllers apart, and the controller's replicas.
    pub controller: Option<(u64, i32)>,
}

/// Returns `status.disruptionsAllowed`.
///
/// Percentages and `maxUnavailable` count the replicas of the pods' controllers, so that pods without one allow nothing.
pub fn disruptions_allowed(spec: &PodDisruptionBudgetSpec, pods: &[BudgetedPod]) -> i32 {
    let mut controllers: Vec<(u64, i32)> = pods.iter().filter_map(|pod| pod.controller).collect();
    controllers.sort_unstable();
    controllers.dedup_by_key(|controller| controller.0);
    let scale: i32 = controllers.iter().map(|controller| controller.1).sum();
    let chosen = i32::try_from(pods.len()).unwrap_or(i32::MAX);
    let (expected, desired) = match (&spec.max_unavailable, &spec.min_available) {
        (Some(most), _) => (scale, (scale - scaled(most, scale)).max(0)),
        (None, Some(IntOrString::Int(least))) => (chosen, *least),
        (None, Some(least)) => (scale, scaled(least, scale)),
        (None, None) => (0, 0),
    };
    let healthy = pods.iter().filter(|pod| pod.is_healthy).count();
    let allowed = i32::try_from(healthy).unwrap_or(i32::MAX).saturating_sub(desired);
    if expected <= 0 { 0 } else { allowed.max(0) }
}

/// Returns a value of `total`, percentages rounded up; what is no percentage counts zero.
fn scaled(value: &IntOrString, total: i32) -> i32 {
    match value {
        IntOrString::Int(value) => *value,
        IntOrString::String(text) => {
            let percent: Option<i64> =
                text.strip_suffix('%').and_then(|percent| percent.parse().ok());
            let value = (percent.unwrap_or(0) * i64::from(total) + 99).div_euclid(100);
            i32::try_from(value).unwrap_or(i32::MAX)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(spec: &serde_json::Value, pods: &[(bool, Option<(u64, i32)>)], expected: i32) {
        let spec: PodDisruptionBudgetSpec = serde_json::from_value(spec.clone()).unwrap();
        let pods: Vec<BudgetedPod> = pods
            .iter()
            .map(|&(is_healthy, controller)| BudgetedPod { is_healthy, controller })
            .collect();
        assert_eq!(disruptions_allowed(&spec, &pods), expected);
    }

    #[test]
    fn a_budget_counts_replicas_of_controllers_or_the_pods_themselves() {
        let of_four = Some((1, 4));
        let bare = [(true, None), (true, None), (true, None)];
        let owned = [(true, of_four), (true, of_four), (true, of_four), (false, of_four)];
        check(&json!({"minAvailable": 2}), &bare, 1);
        check(&json!({"minAvailable": 5}), &bare, 0);
        check(&json!({"maxUnavailable": 1}), &bare, 0);
        check(&json!({"minAvailable": "50%"}), &bare, 0);
        check(&json!({"maxUnavailable": 2}), &owned, 1);
        check(&json!({"maxUnavailable": "50%"}), &owned, 1);
        check(&json!({"minAvailable": "30%"}), &owned, 1);
        check(&json!({"maxUnavailable": 9}), &owned, 3);
        check(&json!({}), &owned, 0);
        check(&json!({"maxUnavailable": 1}), &[(true, Some((1, 1))), (true, Some((2, 1)))], 1);
    }
}
