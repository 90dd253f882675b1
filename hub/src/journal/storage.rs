//! The few file operations the journal needs, and the real ones.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// A directory of files. Names are plain file names. Nothing here retries a failed write or sync.
pub trait Storage: std::fmt::Debug + Send {
    /// The names of all files, in no order.
    ///
    /// # Errors
    /// What the system says.
    fn list(&mut self) -> io::Result<Vec<String>>;

    /// Creates an empty file.
    ///
    /// # Errors
    /// `AlreadyExists`, or what the system says.
    fn create(&mut self, name: &str) -> io::Result<()>;

    /// Gives a file another name, atomically.
    ///
    /// # Errors
    /// What the system says.
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// What the system says.
    fn remove(&mut self, name: &str) -> io::Result<()>;

    /// The file's length in bytes.
    ///
    /// # Errors
    /// What the system says.
    fn len(&mut self, name: &str) -> io::Result<u64>;

    /// Reads until `into` is full or the file ends; the bytes read.
    ///
    /// # Errors
    /// What the system says.
    fn read_at(&mut self, name: &str, offset: u64, into: &mut [u8]) -> io::Result<usize>;

    /// Writes once; the bytes written, which may be fewer than given.
    ///
    /// # Errors
    /// What the system says.
    fn write_at(&mut self, name: &str, offset: u64, bytes: &[u8]) -> io::Result<usize>;

    /// Makes the file's bytes durable.
    ///
    /// # Errors
    /// What the system says. After an error the file's state is unknown.
    fn sync_data(&mut self, name: &str) -> io::Result<()>;

    /// Makes the files' names durable.
    ///
    /// # Errors
    /// What the system says.
    fn sync_dir(&mut self) -> io::Result<()>;
}

/// How many files stay open at once: the segment in use, the spare, and one being read.
const OPEN_FILES_MAX: usize = 4;

/// Files in a directory of the host.
#[derive(Debug)]
pub struct DiskStorage {
    directory: PathBuf,
    open: Vec<(String, File)>,
}

impl DiskStorage {
    /// Opens the directory, and creates it (mode 0700) and its parents when missing.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(directory: &Path) -> io::Result<Self> {
        use std::os::unix::fs::DirBuilderExt;
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        Ok(Self { directory: directory.to_owned(), open: Vec::new() })
    }

    fn file(&mut self, name: &str) -> io::Result<&File> {
        if let Some(at) = self.open.iter().position(|(open, _)| open == name) {
            return Ok(&self.open[at].1);
        }
        let file = OpenOptions::new().read(true).write(true).open(self.directory.join(name))?;
        Ok(self.keep(name, file))
    }

    fn keep(&mut self, name: &str, file: File) -> &File {
        if self.open.len() >= OPEN_FILES_MAX {
            self.open.remove(0);
        }
        self.open.push((name.to_owned(), file));
        &self.open[self.open.len() - 1].1
    }
}

impl Storage for DiskStorage {
    fn list(&mut self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn create(&mut self, name: &str) -> io::Result<()> {
        use std::os::unix::fs::OpenOptionsExt;
        let path = self.directory.join(name);
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)?;
        self.keep(name, file);
        Ok(())
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.directory.join(from), self.directory.join(to))?;
        self.open.retain(|(open, _)| open != to);
        for (open, _) in self.open.iter_mut().filter(|(open, _)| open == from) {
            to.clone_into(open);
        }
        Ok(())
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        self.open.retain(|(open, _)| open != name);
        fs::remove_file(self.directory.join(name))
    }

    fn len(&mut self, name: &str) -> io::Result<u64> {
        Ok(self.file(name)?.metadata()?.len())
    }

    fn read_at(&mut self, name: &str, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let file = self.file(name)?;
        let mut read = 0;
        while read < into.len() {
            let at = offset.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
            match file.read_at(&mut into[read..], at) {
                Ok(0) => break,
                Ok(bytes) => read += bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(read)
    }

    fn write_at(&mut self, name: &str, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        let file = self.file(name)?;
        loop {
            match file.write_at(bytes, offset) {
                // Interrupted before anything was written; a part would be reported as a length.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => return done,
            }
        }
    }

    fn sync_data(&mut self, name: &str) -> io::Result<()> {
        self.file(name)?.sync_data()
    }

    fn sync_dir(&mut self) -> io::Result<()> {
        File::open(&self.directory)?.sync_all()
    }
}
