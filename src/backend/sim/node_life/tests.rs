//! Timelines of nodes that fall silent.
