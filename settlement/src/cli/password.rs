//! The passwords of encrypted key files: from a file, the environment, or whoever sits at the terminal.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use super::Common;

/// Holds the password of a keystore.
const VARIABLE: &str = "FARTHING_KEYSTORE_PASSWORD";
/// Holds a new one.
const NEW_VARIABLE: &str = "FARTHING_NEW_KEYSTORE_PASSWORD";

/// Longest line that is taken from a terminal.
const LINE_BYTES_MAX: usize = 1024;

impl Common {
    /// The password of the keystore at `path`.
    pub(super) fn password(&self, path: &Path) -> anyhow::Result<Zeroizing<String>> {
        match given(self.password_file.as_deref(), VARIABLE)? {
            Some(password) => Ok(password),
            None => ask(&format!("password of {}: ", path.display()), "--password-file", VARIABLE),
        }
    }

    /// A password for a keystore that is made at `path`, or changed: `file` holds it, where one is named.
    pub(super) fn new_password(&self, path: &Path, file: Option<&Path>) -> anyhow::Result<Zeroizing<String>> {
        if let Some(password) = given(file, NEW_VARIABLE)? {
            return Ok(password);
        }
        let password = ask(&format!("new password of {}: ", path.display()), "--new-password-file", NEW_VARIABLE)?;
        if password != ask("once more: ", "--new-password-file", NEW_VARIABLE)? {
            bail!("the two passwords differ");
        }
        Ok(password)
    }
}

/// The first line of a file, or an environment variable; an empty password is none.
fn given(file: Option<&Path>, variable: &str) -> anyhow::Result<Option<Zeroizing<String>>> {
    let password = match file {
        Some(path) => {
            let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
            let text = Zeroizing::new(text);
            Zeroizing::new(text.lines().next().unwrap_or_default().to_owned())
        }
        None => match std::env::var(variable) {
            Ok(password) => Zeroizing::new(password),
            Err(_) => return Ok(None),
        },
    };
    let from = file.map_or_else(|| variable.to_owned(), |path| path.display().to_string());
    ensure!(!password.is_empty(), "the password in {from} is empty");
    Ok(Some(password))
}

/// Asks at the terminal, without showing what is typed.
fn ask(prompt: &str, option: &str, variable: &str) -> anyhow::Result<Zeroizing<String>> {
    let terminal = File::options().read(true).write(true).open("/dev/tty").with_context(|| {
        format!("there is no terminal to ask for a password; name a file with {option}, or set {variable}")
    })?;
    let hidden = Hidden::begin(&terminal)?;
    (&terminal).write_all(prompt.as_bytes())?;
    // A terminal hands over one line at a time.
    let mut line = Zeroizing::new([0; LINE_BYTES_MAX]);
    let count = (&terminal).read(&mut *line)?;
    let interrupt = hidden.interrupt();
    drop(hidden);
    let typed = line.get(..count).unwrap_or_default();
    ensure!(typed.last() != Some(&interrupt), "interrupted");
    let typed = std::str::from_utf8(typed).context("the password is not UTF-8")?;
    let password = Zeroizing::new(typed.trim_end_matches(['\n', '\r']).to_owned());
    ensure!(!password.is_empty(), "the password is empty");
    Ok(password)
}

/// A terminal that does not show what is typed. It does again in the end, which an interrupt must not forestall: Ctrl-C ends
/// the line here, and sends no signal.
struct Hidden<'a> {
    terminal: &'a File,
    before: Termios,
}

impl<'a> Hidden<'a> {
    fn begin(terminal: &'a File) -> anyhow::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO | LocalModes::ISIG);
        hidden.local_modes.insert(LocalModes::ECHONL);
        hidden.special_codes[SpecialCodeIndex::VEOL] = before.special_codes[SpecialCodeIndex::VINTR];
        tcsetattr(terminal, OptionalActions::Flush, &hidden)?;
        Ok(Self { terminal, before })
    }

    /// What Ctrl-C, or whatever stands for it here, is read as.
    fn interrupt(&self) -> u8 {
        self.before.special_codes[SpecialCodeIndex::VINTR]
    }
}

impl Drop for Hidden<'_> {
    fn drop(&mut self) {
        // A terminal that is gone has nothing to show.
        let _gone = tcsetattr(self.terminal, OptionalActions::Now, &self.before);
    }
}
