//! What people see on a terminal.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use farthing_channel::sign::Signer as _;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};

use crate::world::key;
use crate::{json, site_after_a_day, text};

/// The program on a terminal of its own; its standard output stays apart.
struct OnTerminal {
    child: Child,
    terminal: File,
    shown: String,
}

impl OnTerminal {
    fn start(site: &Path, arguments: &[&str]) -> Self {
        let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&controller).unwrap();
        unlockpt(&controller).unwrap();
        let name = ptsname(&controller, Vec::new()).unwrap();
        let open = || File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
        // In a session of its own, whose controlling terminal it is.
        let mut command = Command::new("setsid");
        command.args(["--ctty", "--wait", env!("CARGO_BIN_EXE_farthing-settle"), "--site"]).arg(site).args(arguments);
        command.env("TERM", "xterm").env_remove("FARTHING_KEYSTORE_PASSWORD");
        let child = command.stdin(open()).stdout(Stdio::piped()).stderr(open()).spawn().unwrap();
        Self { child, terminal: File::from(controller), shown: String::new() }
    }

    /// Reads what is shown up to `word`.
    fn wait_for(&mut self, word: &str) {
        while !self.shown.contains(word) {
            assert!(self.read(), "it ended without {word:?}: {}", self.shown);
        }
    }

    /// Reads some of what is shown. A terminal that nobody has open any more is at its end.
    fn read(&mut self) -> bool {
        let mut bytes = [0; 1024];
        let Ok(count @ 1..) = self.terminal.read(&mut bytes) else { return false };
        self.shown.push_str(&String::from_utf8_lossy(&bytes[..count]));
        true
    }

    fn type_line(&mut self, line: &str) {
        // What has been shown so far is no answer to it.
        self.shown.clear();
        writeln!(self.terminal, "{line}").unwrap();
    }

    /// Whether it shows what is typed.
    fn echoes(&self) -> bool {
        tcgetattr(&self.terminal).unwrap().local_modes.contains(LocalModes::ECHO | LocalModes::ISIG)
    }

    /// Waits for the end: how it ended, what it printed, and all that the terminal showed.
    fn end(mut self) -> (ExitStatus, String, String) {
        while self.read() {}
        let output = self.child.wait_with_output().unwrap();
        (output.status, String::from_utf8(output.stdout).unwrap(), self.shown)
    }
}

#[test]
fn long_stages_show_a_bar_on_a_terminal_and_never_beside_json() {
    let (_world, site, _, _) = site_after_a_day();
    let json = OnTerminal::start(&site, &["--json", "plan", "--dry-run"]);
    let (status, printed, shown) = json.end();
    assert!(status.success() && printed.contains("needs_approvals"));
    assert_eq!(shown, "");
    let mut people = OnTerminal::start(&site, &["plan"]);
    people.wait_for("verifying proofs");
    let (status, printed, shown) = people.end();
    assert!(status.success() && printed.contains("needs approvals (0 of 2)"), "{shown}");
    assert!(!printed.contains("verifying"));
}

#[test]
fn a_password_is_asked_for_and_not_shown() {
    let (_world, site, [first, second], _) = site_after_a_day();
    let file = text(&first);
    let mut lock = OnTerminal::start(&site, &["key", "password", file]);
    for prompt in ["new password of", "once more"] {
        lock.wait_for(prompt);
        lock.type_line("correct horse");
    }
    let (status, address, shown) = lock.end();
    assert!(status.success() && !shown.contains("horse"), "{shown}");
    assert_eq!(address.trim(), key(2).address().to_string());
    json(&site, &["plan"]);
    let mut wrong = OnTerminal::start(&site, &["approve", "--key", file]);
    wrong.wait_for("password of");
    wrong.type_line("wrong horse");
    let (status, _, shown) = wrong.end();
    assert!(status.code() == Some(2) && shown.contains("the password is wrong"), "{shown}");
    let mut approve = OnTerminal::start(&site, &["approve", "--key", file]);
    approve.wait_for("password of");
    approve.type_line("correct horse");
    let (status, printed, shown) = approve.end();
    assert!(status.success() && !shown.contains("horse"), "{shown}");
    assert!(printed.contains("needs approvals (1 of 2)"), "{printed}");
    // The other approver's key lies in the clear.
    assert_eq!(json(&site, &["approve", "--key", text(&second)])["state"], "approved");
}

#[test]
fn who_interrupts_a_password_gets_the_terminal_back_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let mut asked = OnTerminal::start(folder.path(), &["key", "new", "--keystore", "new.json"]);
    asked.wait_for("new password of");
    assert!(!asked.echoes());
    asked.terminal.write_all(b"correct\x03").unwrap();
    asked.wait_for("interrupted");
    assert!(asked.echoes());
    let (status, _, shown) = asked.end();
    assert!(status.code() == Some(2) && !shown.contains("correct"), "{shown}");
}
