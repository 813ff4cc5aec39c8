//! Placeholder documentation, replaced by the module's author.
