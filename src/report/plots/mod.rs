//! Static pictures: each is a list of shapes, drawn as SVG and as PNG.
//!
//! `sheet` knows the drawing library, `png` the file format, `axis` where ticks go; a picture is one file with its name and
//! one line in [`all`].

mod axis;
mod capacity;
mod gantt;
mod metrics;
mod png;
mod sheet;

use super::html::Pictured;
use super::write::ReportError;
use crate::experiment::result::Summary;

/// Variants with a Gantt chart of their own as a file; the page shows those of all.
const GANTTS_MAX: usize = 24;

/// A picture as a file.
pub(super) struct Plot {
    /// File name.
    pub(super) file: String,
    /// Its content.
    pub(super) bytes: Vec<u8>,
}

/// Returns all pictures of a summary, each as SVG and as PNG.
pub(super) fn all(summary: &Summary, pictured: &[Pictured]) -> Result<Vec<Plot>, ReportError> {
    let mut sheets = vec![("capacity".to_owned(), capacity::sheet(summary, pictured))];
    for ((name, _), pictured) in summary.variants.iter().zip(pictured).take(GANTTS_MAX) {
        if let Some(replay) = pictured.replays.first() {
            sheets.push((format!("gantt-{}", file_stem(name)), gantt::sheet(name, replay)));
        }
    }
    if summary.variants.len() > 1 {
        sheets.push(("metrics".to_owned(), metrics::sheet(summary)));
    }
    let mut plots = Vec::new();
    for (name, sheet) in sheets {
        for (file, bytes) in [
            (format!("{name}.svg"), sheet.svg().map(String::into_bytes)),
            (format!("{name}.png"), sheet.png()),
        ] {
            let bytes = bytes.map_err(|reason| ReportError::Plot { plot: file.clone(), reason })?;
            plots.push(Plot { file, bytes });
        }
    }
    Ok(plots)
}

/// Returns a variant's name with everything that a file name should not hold replaced by `_`.
fn file_stem(name: &str) -> String {
    let keep = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    name.chars().map(|c| if keep(c) { c } else { '_' }).collect()
}
