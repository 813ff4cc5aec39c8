//! Labels of pods, and selectors over labels of pods and nodes, on symbols.
//!
//! Implements `k8s.io/apimachinery/pkg/labels` and node selector requirements as of 1.36.

use super::symbols::{Sym, Symbols};
use k8s_openapi::api::core::v1::NodeSelectorRequirement;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use smallvec::SmallVec;
use std::sync::Arc;

/// A label: key and value.
pub type Label = (Sym, Sym);

/// Labels of one pod: a part that pods share and a few that are its own.
///
/// The split saves memory only. A key must not be in both parts. Labels that no selector will ever name may be left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodLabels {
    shared: Option<Arc<[Label]>>,
    own: SmallVec<[Label; 3]>,
}

impl PodLabels {
    /// Returns labels of a shared and an own part.
    pub fn new(shared: Arc<[Label]>, own: impl IntoIterator<Item = Label>) -> Self {
        Self { shared: Some(shared), own: own.into_iter().collect() }
    }

    /// Returns labels of texts, none of them shared.
    pub fn from_texts<'a>(
        symbols: &mut Symbols,
        labels: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let labels: Vec<Label> = labels
            .into_iter()
            .map(|(key, value)| (symbols.intern(key), symbols.intern(value)))
            .collect();
        Self { shared: Some(labels.into()), own: SmallVec::new() }
    }

    /// Iterates over the labels.
    pub fn iter(&self) -> impl Iterator<Item = Label> + '_ {
        self.own.iter().chain(self.shared.iter().flat_map(|shared| shared.iter())).copied()
    }
}

/// Anything that has labels.
pub trait Labelled {
    /// Returns the value of label `key`.
    fn value(&self, key: Sym) -> Option<Sym>;
}

impl Labelled for PodLabels {
    fn value(&self, key: Sym) -> Option<Sym> {
        self.iter().find(|label| label.0 == key).map(|label| label.1)
    }
}

/// Sorted by key, as nodes keep them.
impl Labelled for [Label] {
    fn value(&self, key: Sym) -> Option<Sym> {
        self.binary_search_by_key(&key, |label| label.0).ok().map(|at| self[at].1)
    }
}

/// What a requirement asks of its key's value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Condition {
    /// It is one of these.
    In(SmallVec<[Sym; 2]>),
    /// It is none of these, or there is no such label.
    NotIn(SmallVec<[Sym; 2]>),
    /// There is such a label.
    Exists,
    /// There is no such label.
    Absent,
    /// It is an integer above this.
    Above(i64),
    /// It is an integer below this.
    Below(i64),
    /// Never holds: the requirement has an operator or a number that Kubernetes does not know.
    Never,
}

/// One requirement of a selector.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Requirement {
    /// Label key.
    pub key: Sym,
    /// What is asked of the value.
    pub condition: Condition,
}

impl Requirement {
    /// Returns the requirement that `key` has this value.
    pub fn equals(key: Sym, value: Sym) -> Self {
        Self { key, condition: Condition::In(SmallVec::from_slice(&[value])) }
    }

    /// Returns the requirement that there is a label `key`.
    pub fn exists(key: Sym) -> Self {
        Self { key, condition: Condition::Exists }
    }

    /// Returns the requirement that `key`, if there is such a label, does not have this value.
    pub fn differs(key: Sym, value: Sym) -> Self {
        Self { key, condition: Condition::NotIn(SmallVec::from_slice(&[value])) }
    }

    /// Returns the requirement that a node selector states.
    pub fn of_node(symbols: &mut Symbols, stated: &NodeSelectorRequirement) -> Self {
        let values = stated.values.as_deref().unwrap_or_default();
        let number = || values.first().and_then(|text| text.parse().ok());
        let condition = match stated.operator.as_str() {
            "Gt" => number().map_or(Condition::Never, Condition::Above),
            "Lt" => number().map_or(Condition::Never, Condition::Below),
            operator => Self::condition(symbols, operator, values),
        };
        Self { key: symbols.intern(&stated.key), condition }
    }

    fn condition(symbols: &mut Symbols, operator: &str, values: &[String]) -> Condition {
        let mut symbols: SmallVec<[Sym; 2]> =
            values.iter().map(|value| symbols.intern(value)).collect();
        symbols.sort_unstable();
        symbols.dedup();
        match operator {
            "In" => Condition::In(symbols),
            "NotIn" => Condition::NotIn(symbols),
            "Exists" => Condition::Exists,
            "DoesNotExist" => Condition::Absent,
            _ => Condition::Never,
        }
    }

    /// Returns whether labels meet the requirement.
    pub fn matches(&self, labels: &(impl Labelled + ?Sized), symbols: &Symbols) -> bool {
        self.holds(labels.value(self.key), symbols)
    }

    /// Returns whether a value, `None` where the label is missing, meets the requirement.
    pub fn holds(&self, value: Option<Sym>, symbols: &Symbols) -> bool {
        let number = |value: Sym| symbols.text(value).parse::<i64>().ok();
        match &self.condition {
            Condition::In(values) => value.is_some_and(|value| values.contains(&value)),
            Condition::NotIn(values) => value.is_none_or(|value| !values.contains(&value)),
            Condition::Exists => value.is_some(),
            Condition::Absent => value.is_none(),
            Condition::Above(bound) => value.and_then(number).is_some_and(|number| number > *bound),
            Condition::Below(bound) => value.and_then(number).is_some_and(|number| number < *bound),
            Condition::Never => false,
        }
    }
}

/// A label selector: all requirements must hold.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Selector {
    requirements: Vec<Requirement>,
}

impl Selector {
    /// Returns the selector that all of `requirements` make.
    pub fn new(mut requirements: Vec<Requirement>) -> Self {
        requirements.sort_by_key(|requirement| requirement.key);
        Self { requirements }
    }

    /// Returns the selector that matches nothing.
    pub fn nothing() -> Self {
        Self { requirements: vec![Requirement { key: Sym::EMPTY, condition: Condition::Never }] }
    }

    /// Returns the selector that a manifest states: without one nothing matches, an empty one matches everything.
    pub fn stated(symbols: &mut Symbols, stated: Option<&LabelSelector>) -> Self {
        let Some(stated) = stated else { return Self::nothing() };
        let mut requirements = Vec::new();
        for (key, value) in stated.match_labels.iter().flatten() {
            requirements.push(Requirement::equals(symbols.intern(key), symbols.intern(value)));
        }
        for expression in stated.match_expressions.iter().flatten() {
            let values = expression.values.as_deref().unwrap_or_default();
            let condition = Requirement::condition(symbols, &expression.operator, values);
            requirements.push(Requirement { key: symbols.intern(&expression.key), condition });
        }
        Self::new(requirements)
    }

    /// Returns this selector with more requirements.
    #[must_use]
    pub fn and(mut self, requirements: impl IntoIterator<Item = Requirement>) -> Self {
        self.requirements.extend(requirements);
        Self::new(self.requirements)
    }

    /// Returns whether it has no requirement.
    pub fn is_empty(&self) -> bool {
        self.requirements.is_empty()
    }

    /// Returns its requirements, by key.
    pub fn requirements(&self) -> &[Requirement] {
        &self.requirements
    }

    /// Returns whether labels meet all requirements.
    pub fn matches(&self, labels: &(impl Labelled + ?Sized), symbols: &Symbols) -> bool {
        self.requirements.iter().all(|requirement| requirement.matches(labels, symbols))
    }

    /// Returns key and value if the selector says "`key` exists and is not `value`", as LWS's exclusive placement does.
    pub(super) fn others_than(&self) -> Option<Label> {
        let [first, second] = self.requirements.as_slice() else { return None };
        let ((Condition::Exists, Condition::NotIn(other))
        | (Condition::NotIn(other), Condition::Exists)) = (&first.condition, &second.condition)
        else {
            return None;
        };
        (first.key == second.key && other.len() == 1).then(|| (first.key, other[0]))
    }
}

/// The namespaces that a pod affinity term looks at.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Scope {
    /// By name, sorted.
    pub names: SmallVec<[Sym; 1]>,
    /// By their labels.
    pub selector: Option<Selector>,
}

impl Scope {
    /// Returns the scope of one namespace.
    pub fn only(namespace: Sym) -> Self {
        Self { names: SmallVec::from_slice(&[namespace]), selector: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(selector: &str, labels: &[(&str, &str)], expected: bool) {
        let mut symbols = Symbols::default();
        let stated: LabelSelector = serde_yaml::from_str(selector).unwrap();
        let selector = Selector::stated(&mut symbols, Some(&stated));
        let labels = PodLabels::from_texts(&mut symbols, labels.iter().copied());
        assert_eq!(selector.matches(&labels, &symbols), expected);
    }

    #[test]
    fn selectors_match_as_in_kubernetes() {
        check("matchLabels: {app: a}", &[("app", "a"), ("tier", "x")], true);
        check("matchLabels: {app: a}", &[("app", "b")], false);
        check("matchExpressions: [{key: app, operator: NotIn, values: [a]}]", &[], true);
        check(
            "matchExpressions: [{key: app, operator: NotIn, values: [a]}]",
            &[("app", "a")],
            false,
        );
        check("matchExpressions: [{key: app, operator: Exists}]", &[("app", "a")], true);
        check("matchExpressions: [{key: app, operator: DoesNotExist}]", &[("app", "a")], false);
        check("{}", &[], true);
    }

    #[test]
    fn without_a_selector_nothing_matches() {
        let mut symbols = Symbols::default();
        let selector = Selector::stated(&mut symbols, None);
        assert!(!selector.matches(&PodLabels::default(), &symbols));
    }

    #[test]
    fn bounds_compare_numbers() {
        let mut symbols = Symbols::default();
        let above = NodeSelectorRequirement {
            key: "cores".to_owned(),
            operator: "Gt".to_owned(),
            values: Some(vec!["9".to_owned()]),
        };
        let requirement = Requirement::of_node(&mut symbols, &above);
        let (ten, nine, word) = (symbols.intern("10"), symbols.intern("9"), symbols.intern("many"));
        assert!(requirement.holds(Some(ten), &symbols));
        assert!(!requirement.holds(Some(nine), &symbols));
        assert!(!requirement.holds(Some(word), &symbols));
        assert!(!requirement.holds(None, &symbols));
    }
}
