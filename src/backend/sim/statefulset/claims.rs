//! Claims of a set's pods: which to create, and who owns them.
//!
//! Follows `stateful_pod_control.go` and `stateful_set_utils.go` of Kubernetes 1.36.3. A claim goes with its owner, by garbage
//! collection; nothing here deletes one. The claims that a pod has from all templates of its set are one [`ClaimView`].

use super::Rules;

/// `persistentVolumeClaimRetentionPolicy`; by default everything is retained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Whether `whenDeleted` is Delete: claims go with the set.
    pub goes_with_set: bool,
    /// Whether `whenScaled` is Delete: the claims of a pod that is scaled away go with it.
    pub goes_on_scale_down: bool,
}

/// Who owns a claim, as far as the StatefulSet controller is concerned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClaimOwner {
    /// Neither: the claim stays.
    #[default]
    Nobody,
    /// The set: the claim goes with it.
    Set,
    /// The pod: the claim goes with it.
    Pod,
}

/// What the cache shows of the claims of one ordinal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClaimView {
    /// Ordinal of the pod, whether it exists or not.
    pub ordinal: i32,
    /// Whether a claim of one of the templates is missing.
    pub is_incomplete: bool,
    /// Owner of those that exist.
    pub owner: ClaimOwner,
    /// Whether they belong to an earlier pod of this name: garbage collection is about to take them.
    pub is_stale: bool,
}

/// A write of claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimStep {
    /// Creates those that the ordinal lacks.
    Create {
        /// Ordinal.
        ordinal: i32,
    },
    /// Sets the owner of all claims of the ordinal.
    Own {
        /// Ordinal.
        ordinal: i32,
        /// New owner.
        owner: ClaimOwner,
    },
}

impl Retention {
    /// Returns who should own the claims of a pod (`updateClaimOwnerRefForSetAndPod`).
    pub fn owner(self, is_condemned: bool) -> ClaimOwner {
        match self {
            Self { goes_on_scale_down: true, .. } if is_condemned => ClaimOwner::Pod,
            Self { goes_with_set: true, .. } => ClaimOwner::Set,
            Self { .. } => ClaimOwner::Nobody,
        }
    }
}

impl Rules<'_> {
    /// Plans the claims of a pod that is about to be created; returns whether it may be (`PodClaimIsStale`).
    pub(super) fn claims_allow_creation(&self, ordinal: i32, steps: &mut Vec<ClaimStep>) -> bool {
        if self.retention.goes_on_scale_down
            && self.claims_of(ordinal).is_some_and(|seen| seen.is_stale)
        {
            // A claim that is being taken away must not be mounted again.
            return false;
        }
        self.create_missing_claims(ordinal, steps);
        self.own_claims(ordinal, false, steps);
        true
    }

    /// Plans the claims that a pod lacks.
    pub(super) fn create_missing_claims(&self, ordinal: i32, steps: &mut Vec<ClaimStep>) {
        if self.claims.is_some() && self.claims_of(ordinal).is_none_or(|seen| seen.is_incomplete) {
            steps.push(ClaimStep::Create { ordinal });
        }
    }

    /// Plans the owner of a pod's claims, if it is not as it should be (`ClaimsMatchRetentionPolicy`).
    pub(super) fn own_claims(&self, ordinal: i32, is_condemned: bool, steps: &mut Vec<ClaimStep>) {
        let Some(claims) = self.claims else { return };
        let owner = self.retention.owner(is_condemned);
        let is_new = steps.last() == Some(&ClaimStep::Create { ordinal });
        let seen = claims
            .binary_search_by_key(&ordinal, |seen| seen.ordinal)
            .ok()
            .map(|index| claims[index].owner);
        // Claims that do not exist yet get their owner by a second write, as in the real controller.
        if seen.or(is_new.then_some(ClaimOwner::Nobody)).is_some_and(|seen| seen != owner) {
            steps.push(ClaimStep::Own { ordinal, owner });
        }
    }

    fn claims_of(&self, ordinal: i32) -> Option<&ClaimView> {
        let claims = self.claims?;
        claims.binary_search_by_key(&ordinal, |seen| seen.ordinal).ok().map(|index| &claims[index])
    }
}
