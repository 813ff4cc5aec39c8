//! The results directory: it appears whole or not at all.
//!
//! Files are written into a hidden sibling, which is renamed at the end and removed when anything fails before that.

use super::result::{ResultError, SUMMARY_FILE};
use std::path::{Path, PathBuf};

/// A results directory in the making.
#[derive(Debug)]
pub struct Staging {
    target: PathBuf,
    dir: PathBuf,
    /// Parents that did not exist before, the outermost first.
    parents: Vec<PathBuf>,
    is_committed: bool,
}

/// A place that cannot take results.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// There are results already.
    #[error("`{}` holds results already", .0.display())]
    HoldsResults(PathBuf),
    /// There is something else.
    #[error("`{}` exists and holds no results of lwsim", .0.display())]
    HoldsOther(PathBuf),
    /// The path has no last part that could be created.
    #[error("`{}` does not name a directory that could be created", .0.display())]
    Nameless(PathBuf),
    /// The file system refused.
    #[error(transparent)]
    File(#[from] ResultError),
}

impl Staging {
    /// Returns whether `target` can take results: it does not exist, is empty, or holds results and may be replaced.
    pub fn check(target: &Path, may_replace: bool) -> Result<(), DirectoryError> {
        if target.file_name().is_none() {
            return Err(DirectoryError::Nameless(target.to_owned()));
        }
        if !target.exists() {
            return Ok(());
        }
        let is_empty = target.is_dir()
            && std::fs::read_dir(target).is_ok_and(|mut entries| entries.next().is_none());
        match target.join(SUMMARY_FILE).is_file() {
            _ if is_empty => Ok(()),
            true if may_replace => Ok(()),
            true => Err(DirectoryError::HoldsResults(target.to_owned())),
            // Whatever this is, nobody asked to lose it.
            false => Err(DirectoryError::HoldsOther(target.to_owned())),
        }
    }

    /// Starts a results directory that will be `target`.
    pub fn new(target: &Path, may_replace: bool) -> Result<Self, DirectoryError> {
        Self::check(target, may_replace)?;
        let parent = target
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        let missing = parent
            .ancestors()
            .take_while(|ancestor| !ancestor.as_os_str().is_empty() && !ancestor.exists());
        let mut parents: Vec<_> = missing.map(Path::to_owned).collect();
        parents.reverse();
        let dir = sibling(target, "partial");
        let staging = Self { target: target.to_owned(), dir, parents, is_committed: false };
        std::fs::create_dir_all(&staging.dir).map_err(ResultError::writing(&staging.dir))?;
        Ok(staging)
    }

    /// Returns the directory to write into.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Gives the directory its name; what was there before is removed.
    pub fn commit(mut self) -> Result<(), ResultError> {
        let failed = || ResultError::writing(&self.target);
        let replaced = sibling(&self.target, "replaced");
        let is_replacing = self.target.exists();
        if is_replacing {
            std::fs::rename(&self.target, &replaced).map_err(failed())?;
        }
        std::fs::rename(&self.dir, &self.target).map_err(failed())?;
        self.is_committed = true;
        if is_replacing {
            std::fs::remove_dir_all(&replaced).map_err(ResultError::writing(&replaced))?;
        }
        Ok(())
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if self.is_committed {
            return;
        }
        // There is nobody to tell about a failure here: the error that led here is on its way already.
        drop(std::fs::remove_dir_all(&self.dir));
        for parent in self.parents.iter().rev() {
            drop(std::fs::remove_dir(parent));
        }
    }
}

/// Returns a hidden neighbour of `target`; the process id keeps two runs apart and goes into no file.
fn sibling(target: &Path, purpose: &str) -> PathBuf {
    let name = target.file_name().expect("checked when the staging was made").to_string_lossy();
    target.with_file_name(format!(".{name}.{purpose}-{}", std::process::id()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn write(target: &Path, may_replace: bool, text: &str) -> Result<(), DirectoryError> {
        let staging = Staging::new(target, may_replace)?;
        std::fs::write(staging.dir().join(SUMMARY_FILE), text).unwrap();
        staging.commit()?;
        Ok(())
    }

    #[test]
    fn results_appear_under_their_name_and_nothing_else_stays() {
        let root = tempfile::tempdir().unwrap();
        write(&root.path().join("a/b/results"), false, "1").unwrap();
        assert_eq!(names(&root.path().join("a/b")), ["results"]);
    }

    #[test]
    fn a_failure_leaves_nothing_behind() {
        let root = tempfile::tempdir().unwrap();
        drop(Staging::new(&root.path().join("a/b/results"), false).unwrap());
        assert!(names(root.path()).is_empty());
    }

    #[test]
    fn results_are_replaced_only_when_asked_for() {
        let root = tempfile::tempdir().unwrap();
        let target = root.path().join("results");
        std::fs::create_dir(&target).unwrap();
        write(&target, false, "1").unwrap();
        assert!(matches!(write(&target, false, "2"), Err(DirectoryError::HoldsResults(_))));
        assert_eq!(std::fs::read_to_string(target.join(SUMMARY_FILE)).unwrap(), "1");
        write(&target, true, "2").unwrap();
        assert_eq!(std::fs::read_to_string(target.join(SUMMARY_FILE)).unwrap(), "2");
        assert_eq!(names(root.path()), ["results"]);
    }

    #[test]
    fn what_is_no_results_directory_is_never_replaced() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("thesis.txt"), "years").unwrap();
        assert!(matches!(write(root.path(), true, ""), Err(DirectoryError::HoldsOther(_))));
        assert!(matches!(
            write(&root.path().join("thesis.txt"), true, ""),
            Err(DirectoryError::HoldsOther(_))
        ));
        assert!(matches!(
            write(&root.path().join(".."), true, ""),
            Err(DirectoryError::Nameless(_))
        ));
        assert_eq!(names(root.path()), ["thesis.txt"]);
    }
}
