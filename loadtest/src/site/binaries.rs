//! Where the programs of a site are.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

/// Names the folder to look in, where they do not lie beside the running program.
pub const FOLDER_VARIABLE: &str = "FARTHING_BIN_DIR";

/// The programs a site is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binaries {
    /// `farthing-hub`.
    pub hub: PathBuf,
    /// `farthing-settle`.
    pub settle: PathBuf,
}

impl Binaries {
    /// Looks in `FARTHING_BIN_DIR`, or beside the running program (for a test program: in the folder above).
    ///
    /// # Errors
    /// Where one is not there; the error says how to build it.
    pub fn find() -> anyhow::Result<Self> {
        let own = std::env::current_exe().context("cannot tell where this program lies")?;
        let folder = std::env::var_os(FOLDER_VARIABLE).map(PathBuf::from);
        let beside = own.parent().map(|folder| match folder.file_name() {
            Some(name) if name == "deps" => folder.parent().unwrap_or(folder),
            _ => folder,
        });
        let folder = folder.or_else(|| beside.map(Path::to_path_buf)).unwrap_or_default();
        Self::within(&folder)
    }

    /// Looks in `folder`.
    ///
    /// # Errors
    /// As [`Self::find`].
    pub fn within(folder: &Path) -> anyhow::Result<Self> {
        let find = |name: &str| {
            let path = folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
            if path.is_file() {
                return Ok(path);
            }
            bail!(
                "there is no {name} in {}; build it (cargo build -p farthing-hub -p farthing-settlement) or name its \
                 folder in {FOLDER_VARIABLE}",
                folder.display()
            )
        };
        Ok(Self { hub: find("farthing-hub")?, settle: find("farthing-settle")? })
    }
}
