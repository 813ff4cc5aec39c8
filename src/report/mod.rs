//! Tables, plots and the page, from a results directory alone.
//!
//! [`write()`] reads `summary.json` and the event files and makes `plots/` and `index.html` of them; [`tables`] is what a
//! terminal shows. Nothing here runs a model, and the same result files give the same bytes.
//!
//! `replay` turns the events of one run into tracks of groups, intervals of occupancy and step curves; `headline` and
//! `figures` put results into words; `plots` and `html` draw.

mod curve;
mod figures;
mod grid;
mod headline;
mod html;
mod orders;
mod plots;
mod replay;
mod tables;
mod write;

pub use headline::headline;
pub use orders::orders;
pub use tables::tables;
pub use write::{ReportError, Written, write};
