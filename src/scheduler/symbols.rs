//! Interned text: label keys and values, names and namespaces become small integers that compare in one instruction.
//!
//! A symbol is never freed: the texts of a run are few beside its pods, and re-created objects bear old names again.

use rustc_hash::FxHashMap;
use std::sync::Arc;

/// An interned text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sym(u32);

impl Sym {
    /// `kubernetes.io/hostname`.
    pub const HOSTNAME: Self = Self(0);
    /// `topology.kubernetes.io/zone`.
    pub const ZONE: Self = Self(1);
    /// `topology.kubernetes.io/region`.
    pub const REGION: Self = Self(2);
    /// `kubernetes.io/metadata.name`, the label that each namespace has.
    pub const NAMESPACE_NAME: Self = Self(3);
    /// The empty text.
    pub const EMPTY: Self = Self(4);

    pub(super) fn at(self) -> usize {
        self.0 as usize
    }
}

const WELL_KNOWN: [&str; 5] = [
    "kubernetes.io/hostname",
    "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region",
    "kubernetes.io/metadata.name",
    "",
];

/// All interned texts.
#[derive(Clone, Debug)]
pub struct Symbols {
    by_text: FxHashMap<Arc<str>, Sym>,
    texts: Vec<Arc<str>>,
}

impl Default for Symbols {
    fn default() -> Self {
        let mut symbols = Self { by_text: FxHashMap::default(), texts: Vec::new() };
        for text in WELL_KNOWN {
            symbols.intern(text);
        }
        symbols
    }
}

impl Symbols {
    /// Returns the symbol of `text`, a new one if it has none.
    pub fn intern(&mut self, text: &str) -> Sym {
        if let Some(&sym) = self.by_text.get(text) {
            return sym;
        }
        let sym = Sym(u32::try_from(self.texts.len()).expect("a run has fewer than 2^32 texts"));
        let text: Arc<str> = text.into();
        self.texts.push(Arc::clone(&text));
        self.by_text.insert(text, sym);
        sym
    }

    /// Returns the symbol of `text` if it has one.
    pub fn find(&self, text: &str) -> Option<Sym> {
        self.by_text.get(text).copied()
    }

    /// Returns the text of a symbol.
    pub fn text(&self, sym: Sym) -> &str {
        &self.texts[sym.at()]
    }

    pub(super) fn len(&self) -> usize {
        self.texts.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_have_equal_symbols() {
        let mut symbols = Symbols::default();
        let first = symbols.intern("rack");
        assert_eq!(symbols.intern("rack"), first);
        assert_ne!(symbols.intern("zone"), first);
        assert_eq!(symbols.text(first), "rack");
        assert_eq!(symbols.find("topology.kubernetes.io/zone"), Some(Sym::ZONE));
        assert_eq!(symbols.find("block"), None);
    }
}
