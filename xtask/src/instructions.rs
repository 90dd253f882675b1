//! `cargo xtask instructions`: instructions and allocations per payment, against the committed baseline.
//!
//! Times depend on the machine and on what else it does; the number of instructions hardly does. A program pushes a fixed
//! number of payments through the hub's own data plane, in process, under callgrind. Hashes and signatures are counted
//! apart, since they take other ways on other processors: what is held to the baseline is the rest. QUIC's part of it is
//! shown by itself, as far as the compiler keeps it out of our functions.
//!
//! | file | holds |
//! | --- | --- |
//! | [`callgrind`] | what callgrind wrote, by whose code it was |
//! | [`baseline`] | the committed figures, and how far a run may be from them |

mod baseline;
mod callgrind;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use serde_json::Value;

use crate::process::{self, Failure};
use crate::tools::debian::{self, Programs, Suite};
use crate::workspace::Workspace;
use baseline::{Baseline, Verdict};

const SUITE: Suite = Suite { name: "valgrind", packages: &["valgrind"], programs: &["valgrind"], versioned: None };

/// Ways of paying, by the name that the program knows, with what they are.
const SHAPES: [(&str, &str); 5] = [
    ("tick", "one tick per datagram, 48 connections"),
    ("batch", "16 ticks of distinct lanes per datagram"),
    ("stream", "24 ticks of one lane per datagram, back to back"),
    ("voucher", "8 vouchers of distinct lanes per datagram"),
    ("journal", "a tick recorded, in commits of 1,000, on the journal's thread"),
];

/// What a payment costs, each figure per payment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Cost {
    /// Instructions of our code: all but those below.
    pub(crate) ours: f64,
    /// Of quinn-proto and what it calls: TLS, AEAD, memory.
    pub(crate) quic: f64,
    /// Of libsecp256k1.
    pub(crate) ecdsa: f64,
    /// Of SHA-256 and Keccak.
    pub(crate) hashes: f64,
    /// Allocations of ours, on the data plane's thread.
    pub(crate) allocations: f64,
    /// Allocations of the transport: quinn-proto and the packets handed to it.
    pub(crate) allocations_transport: f64,
}

/// Runs the command.
pub(crate) fn run(workspace: &Workspace, args: &[String]) -> Result<ExitCode, Failure> {
    let mut bless = false;
    let mut json: Option<PathBuf> = None;
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--bless" => bless = true,
            "--json" => json = Some(args.next().ok_or_else(|| Failure::new("--json needs a file"))?.into()),
            other => return Err(Failure::new(format!("unknown argument {other:?}; known: --bless, --json FILE"))),
        }
    }
    let costs = measure(workspace)?;
    print!("{}", table(&costs));
    if let Some(file) = json {
        std::fs::write(&file, baseline::text(&costs))?;
    }
    let path = baseline::path(workspace);
    if bless {
        std::fs::write(&path, baseline::text(&costs))?;
        println!("\nwritten to {}", path.display());
        return Ok(ExitCode::SUCCESS);
    }
    let (text, is_good) = judge(&path, &costs)?;
    println!("\n{text}");
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The step of the test command.
pub(crate) fn check(workspace: &Workspace) -> Result<String, Failure> {
    let costs = measure(workspace)?;
    eprint!("{}", table(&costs));
    let (text, is_good) = judge(&baseline::path(workspace), &costs)?;
    eprintln!("\n{text}");
    if is_good { Ok(text.lines().last().unwrap_or_default().to_string()) } else { Err(Failure::new(text)) }
}

/// What the baseline says of these costs, and whether that is good enough.
fn judge(path: &Path, costs: &[(&'static str, Cost)]) -> Result<(String, bool), Failure> {
    let baseline = Baseline::read(path)?;
    let mut lines = Vec::new();
    let mut is_good = true;
    let mut is_faster = false;
    for (name, cost) in costs {
        for verdict in baseline.verdicts(name, cost) {
            is_good &= !matches!(verdict, Verdict::Worse(_) | Verdict::Missing(_));
            is_faster |= matches!(verdict, Verdict::Better(_));
            lines.push(verdict.to_string());
        }
    }
    let bless = "`cargo xtask instructions --bless` takes these figures as the new baseline";
    if !is_good {
        lines.push(format!("a payment costs more than it did; where that is meant, {bless}"));
    } else if is_faster {
        lines.push(format!("a payment costs less than it did: {bless}"));
    } else {
        lines.push(format!("within {}% of the baseline", baseline::TOLERANCE_PERCENT));
    }
    Ok((lines.join("\n"), is_good))
}

/// Builds the program and counts every shape.
fn measure(workspace: &Workspace) -> Result<Vec<(&'static str, Cost)>, Failure> {
    let valgrind = debian::programs(workspace, &SUITE)
        .map_err(|failure| failure.during("instructions are counted by valgrind; install it or let apt fetch it"))?;
    let build = ["build", "--profile", "counted", "--locked", "-p", "farthing-instructions"];
    process::run(&mut workspace.cargo(build))?;
    let program = workspace.target().join("counted").join("instructions");
    let folder = tempfile::tempdir()?;
    // Two at a time: a run has one busy thread.
    let (left, right) = SHAPES.split_at(2);
    let some = |shapes: &[(&'static str, &str)]| -> Result<Vec<(&'static str, Cost)>, Failure> {
        shapes.iter().map(|(name, _)| Ok((*name, count(&valgrind, &program, folder.path(), name)?))).collect()
    };
    std::thread::scope(|scope| {
        let others = scope.spawn(|| some(right));
        let mut costs = some(left)?;
        costs.extend(others.join().map_err(|_| Failure::new("counting has panicked"))??);
        Ok(costs)
    })
}

/// Counts one shape: allocations in a run of its own, for they need no simulator.
fn count(valgrind: &Programs, program: &Path, folder: &Path, shape: &str) -> Result<Cost, Failure> {
    let told = process::stdout(Command::new(program).arg(shape))?;
    let told: Value = serde_json::from_slice(&told)
        .map_err(|error| Failure::new(format!("instructions {shape} tells no counts: {error}")))?;
    let number = |name: &str| {
        let number = told.get(name).and_then(Value::as_f64);
        number.ok_or_else(|| Failure::new(format!("instructions {shape} tells no {name}")))
    };
    let payments = number("payments")?;
    let file = folder.join(format!("{shape}.callgrind"));
    let mut command = valgrind.command("valgrind")?;
    if let Some(root) = valgrind.root() {
        command.env("VALGRIND_LIB", root.join("usr/libexec/valgrind"));
    }
    // Names stay as the compiler made them, which are the same under every version of valgrind.
    command.args(["--tool=callgrind", "--demangle=no", "--toggle-collect=*callgrind_measured*", "--fair-sched=yes"]);
    command.args(["--compress-pos=no", "--dump-line=no", "--combine-dumps=yes"]);
    command.arg(format!("--callgrind-out-file={}", file.display())).arg(program).arg(shape);
    process::quietly(&mut command)?;
    let text = std::fs::read_to_string(&file)?;
    let by = callgrind::read(&text).map_err(|failure| failure.during(&format!("callgrind of {shape}")))?;
    #[allow(clippy::cast_precision_loss, reason = "counts far below 2^53")]
    let per_payment = |count: u64| count as f64 / payments;
    Ok(Cost {
        ours: per_payment(by.ours()),
        quic: per_payment(by.quic),
        ecdsa: per_payment(by.ecdsa),
        hashes: per_payment(by.hashes),
        allocations: number("allocations_ours")? / payments,
        allocations_transport: number("allocations_transport")? / payments,
    })
}

fn table(costs: &[(&'static str, Cost)]) -> String {
    let mut text = String::from(
        "| per payment | ours | quinn-proto | ECDSA | hashes | allocations: ours | transport |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n",
    );
    for (name, cost) in costs {
        let about = SHAPES.iter().find(|(known, _)| known == name).map_or("", |(_, about)| about);
        text.push_str(&format!(
            "| {name}: {about} | {:.0} | {:.0} | {:.0} | {:.0} | {:.3} | {:.3} |\n",
            cost.ours, cost.quic, cost.ecdsa, cost.hashes, cost.allocations, cost.allocations_transport
        ));
    }
    text
}
