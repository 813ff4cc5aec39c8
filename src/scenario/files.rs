//! Reading of the files that a scenario is made of.
//!
//! A file is judged by its size before it is read, and must be text.

use super::diagnostic::{Code, Diagnostic, nearest};
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// Bytes of a scenario or a manifest at most: what people write is far smaller.
pub(super) const WRITTEN_MAX: u64 = 16 << 20;
/// Bytes of a snapshot of nodes or pods at most: 5,000 nodes with all of their images are some 50 MB.
pub(super) const SNAPSHOT_MAX: u64 = 512 << 20;

/// Returns the text of a file; `name` is how messages call it.
pub(super) fn read_text(path: &Path, name: &str, bytes_max: u64) -> Result<Arc<str>, Diagnostic> {
    let metadata = fs::metadata(path).map_err(|error| unreadable(path, name, &error))?;
    if !metadata.is_file() {
        let what = if metadata.is_dir() { "a directory" } else { "not a regular file" };
        return Err(Diagnostic::error(Code::NotAFile, format!("`{name}` is {what}, not a file"))
            .in_file(name));
    }
    if metadata.len() > bytes_max {
        let message = format!(
            "`{name}` has {} MiB and is not read: files of this kind have at most {} MiB",
            metadata.len() >> 20,
            bytes_max >> 20
        );
        return Err(Diagnostic::error(Code::FileTooLarge, message).in_file(name));
    }
    let bytes = fs::read(path).map_err(|error| unreadable(path, name, &error))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let offset = error.utf8_error().valid_up_to();
        not_text(name, &format!("byte {offset} is not UTF-8"))
    })?;
    match text.bytes().position(|byte| byte == 0) {
        Some(offset) => Err(not_text(name, &format!("byte {offset} is NUL"))),
        None => Ok(text.into()),
    }
}

fn not_text(name: &str, problem: &str) -> Diagnostic {
    Diagnostic::error(Code::NotText, format!("`{name}` is not a text file: {problem}"))
        .in_file(name)
}

fn unreadable(path: &Path, name: &str, error: &std::io::Error) -> Diagnostic {
    let missing = error.kind() == std::io::ErrorKind::NotFound;
    let reason =
        if missing { "there is no such file".to_owned() } else { error.kind().to_string() };
    let mut diagnostic =
        Diagnostic::error(Code::FileUnreadable, format!("failed to read `{name}`: {reason}"))
            .in_file(name);
    if missing {
        diagnostic.help = neighbour(path).map(|near| format!("did you mean `{near}`?"));
    }
    diagnostic
}

/// Returns the file beside a missing one whose name is nearest.
fn neighbour(path: &Path) -> Option<String> {
    let folder =
        path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut names: Vec<String> = fs::read_dir(folder)
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    names.sort_unstable();
    let wanted = path.file_name()?.to_str()?;
    nearest(wanted, names.iter().map(String::as_str)).map(str::to_owned)
}
