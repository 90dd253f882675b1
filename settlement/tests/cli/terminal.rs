//! What people see on a terminal.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::site_after_a_day;

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
