//! The page: one file with style, script and data inside, which opens from disk and needs no network.
//!
//! `page` puts the parts together; `model` is the data that the script draws; `detail` is the part of it that belongs to one
//! run and is left out or made coarser when the page would grow too large.

mod detail;
mod model;
mod page;

pub(super) use page::{Pictured, page};
