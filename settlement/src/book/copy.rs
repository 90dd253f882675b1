//! A copy of a book that may be changed and is thrown away.

use std::path::{Path, PathBuf};

use super::{Book, BookError};

/// A copy of a book; its file goes with it.
#[derive(Debug)]
pub struct BookCopy {
    book: Book,
    _file: Removed,
}

/// A file that is removed in the end.
#[derive(Debug)]
struct Removed(PathBuf);

impl Drop for Removed {
    fn drop(&mut self) {
        // What is left over is overwritten by the next copy.
        let _gone = std::fs::remove_file(&self.0);
    }
}

impl BookCopy {
    /// Copies `book`, which lies at `from`, to `path`; a file there is overwritten.
    ///
    /// # Errors
    /// [`BookError::Storage`], and as [`Book::open`].
    pub fn of(book: &Book, from: &Path, path: &Path) -> Result<Self, BookError> {
        let file = Removed(path.to_owned());
        {
            // One change at a time is under way, so while this one is, the file stands still.
            let _standing_still = book.write()?;
            std::fs::copy(from, path)?;
        }
        Ok(Self { book: Book::open(path)?, _file: file })
    }

    /// The copy.
    #[must_use]
    pub fn book(&self) -> &Book {
        &self.book
    }
}
