//! The tree of domains as dense arrays.
//!
//! Domains are numbered in the order in which nodes first name them, parents before children; a domain is known by its
//! whole path, so that two racks `1` in two blocks are two domains.

use std::collections::BTreeMap;

/// One domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Domain {
    /// Label key.
    pub key: String,
    /// Label value.
    pub value: String,
    /// Number of the domain around it.
    pub parent: Option<usize>,
    /// Distance from the top, from 0.
    pub depth: usize,
    /// Nodes in it, those of its parts included.
    pub nodes: usize,
}

/// The tree of domains of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Domains {
    /// Domains, parents before children.
    pub domains: Vec<Domain>,
    /// For each node the number of its narrowest domain.
    pub of_node: Vec<Option<usize>>,
}

impl Domains {
    /// Returns the tree that the paths of nodes span.
    pub fn new<'a>(paths: impl IntoIterator<Item = &'a [(String, String)]>) -> Self {
        let mut tree = Self::default();
        let mut numbers: BTreeMap<(Option<usize>, &'a str, &'a str), usize> = BTreeMap::new();
        for path in paths {
            let mut here = None;
            for (depth, (key, value)) in path.iter().enumerate() {
                let number = *numbers.entry((here, key, value)).or_insert_with(|| {
                    let domain = Domain {
                        key: key.clone(),
                        value: value.clone(),
                        parent: here,
                        depth,
                        nodes: 0,
                    };
                    tree.domains.push(domain);
                    tree.domains.len() - 1
                });
                tree.domains[number].nodes += 1;
                here = Some(number);
            }
            tree.of_node.push(here);
        }
        tree
    }

    /// Returns the domains around a node, from the narrowest to the widest.
    pub fn around(&self, node: usize) -> impl Iterator<Item = &Domain> {
        let first = self.of_node.get(node).copied().flatten();
        std::iter::successors(first, |number| self.domains[*number].parent)
            .map(|number| &self.domains[number])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Vec<(String, String)> {
        text.split_whitespace()
            .map(|pair| pair.split_once('=').expect("pairs"))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect()
    }

    #[test]
    fn equal_values_in_different_parents_are_different_domains() {
        let paths =
            [path("block=a rack=1"), path("block=a rack=2"), path("block=b rack=1"), path("")];
        let tree = Domains::new(paths.iter().map(Vec::as_slice));
        assert_eq!(tree.domains.len(), 5);
        assert_eq!(tree.domains[0].nodes, 2);
        assert_eq!(tree.of_node, [Some(1), Some(2), Some(4), None]);
        let around: Vec<&str> = tree.around(2).map(|domain| domain.value.as_str()).collect();
        assert_eq!(around, ["1", "b"]);
    }
}
