//! `channel/` without std: built for a bare machine, and really run as a program that has neither std nor libc.

use std::path::Path;
use std::process::Command;

use crate::process::{self, Failure};
use crate::workspace::Workspace;

/// The bare-metal target the crate is built for where rustup can install it: a Cortex-M4F.
const BARE_METAL: &str = "thumbv7em-none-eabihf";

/// The program that verifies proofs and codes messages with nothing under it but the kernel.
const PROGRAM: &str = "farthing-freestanding";

/// Builds, inspects and runs the freestanding program; builds the crate for bare metal as well where it can.
pub(super) fn run(workspace: &Workspace) -> Result<String, Failure> {
    let target = workspace.target().join("freestanding");
    let mut build = workspace.cargo(["build", "--locked", "--release", "--target-dir"]);
    build.arg(&target).current_dir(workspace.root().join("channel/freestanding"));
    process::run(&mut build)?;
    let program = target.join("release").join(PROGRAM);
    inspect(&program)?;
    process::run(&mut Command::new(&program))?;

    // A machine whose toolchain cannot be added to still has the program above, which needs no target of its own.
    if let Err(failure) = process::run(Command::new("rustup").args(["target", "add", BARE_METAL])) {
        eprintln!("cannot install {BARE_METAL}: {failure}");
    }
    let installed = process::stdout(Command::new("rustup").args(["target", "list", "--installed"]));
    let has_bare_metal =
        installed.is_ok_and(|list| String::from_utf8_lossy(&list).lines().any(|line| line.trim() == BARE_METAL));
    if !has_bare_metal {
        return Ok(format!("run with no std and no libc; {BARE_METAL} is not installed"));
    }
    process::run(&mut workspace.cargo([
        "build",
        "--locked",
        "--package",
        "farthing-channel",
        "--no-default-features",
        "--features",
        "k256",
        "--target",
        BARE_METAL,
    ]))?;
    Ok(format!("run with no std and no libc; built for {BARE_METAL}"))
}

/// The program must need no shared library, leave no symbol to be found, and hold nothing of std or libc.
fn inspect(program: &Path) -> Result<(), Failure> {
    let headers = process::stdout(Command::new("readelf").args(["--wide", "--program-headers"]).arg(program))?;
    let headers = String::from_utf8_lossy(&headers);
    if headers.contains("INTERP") || headers.contains("DYNAMIC") {
        return Err(Failure::new(format!("{} is linked dynamically", program.display())));
    }
    let symbols = process::stdout(Command::new("nm").arg("--demangle").arg(program))?;
    let symbols = String::from_utf8_lossy(&symbols);
    let foreign: Vec<&str> = symbols.lines().filter(|line| is_foreign(line)).take(5).collect();
    if foreign.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!("{} holds what it may not:\n{}", program.display(), foreign.join("\n"))))
}

fn is_foreign(line: &str) -> bool {
    // "0000000000401000 T name", and "                 U name" for one that is not defined.
    let undefined = line.trim_start().starts_with("U ");
    undefined || line.contains(" std::") || line.contains("<std::") || line.contains("__libc_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_of_std_and_libc_and_undefined_ones_are_foreign() {
        assert!(is_foreign("                 U malloc"));
        assert!(is_foreign("0000000000001000 t std::rt::lang_start"));
        assert!(is_foreign("0000000000001000 T __libc_start_main"));
        assert!(!is_foreign("0000000000001000 t core::fmt::write"));
        assert!(!is_foreign("0000000000001000 T _start"));
    }
}
