//! Results as JSON files.

use std::path::Path;

use anyhow::Context as _;
use serde::Serialize;

/// Writes `result` to `path`, or to standard output for `-`. A file appears whole or not at all.
///
/// # Errors
/// Where the file cannot be written.
pub fn write_json(path: &Path, result: &impl Serialize) -> anyhow::Result<()> {
    let mut text = serde_json::to_string_pretty(result)?;
    text.push('\n');
    if path == Path::new("-") {
        print!("{text}");
        return Ok(());
    }
    let context = || format!("cannot write {}", path.display());
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder {
        std::fs::create_dir_all(folder).with_context(context)?;
    }
    let mut file = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new("."))).with_context(context)?;
    std::io::Write::write_all(&mut file, text.as_bytes()).with_context(context)?;
    file.persist(path).with_context(context)?;
    Ok(())
}
