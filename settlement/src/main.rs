//! `farthing-settle`: the ledger's tools, mandates, and the night.
#![forbid(unsafe_code)]

use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::Parser as _;

mod cli;

fn main() -> ExitCode {
    let arguments = cli::Arguments::parse();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env()
                .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(arguments.log_filter())),
        )
        .init();
    let json = arguments.common.json;
    match cli::run(arguments) {
        Ok(cli::Outcome::Done) => ExitCode::SUCCESS,
        Ok(cli::Outcome::DoesNotHold) => ExitCode::from(1),
        Err(error) => {
            if json {
                cli::output::error_json(&error);
            } else {
                eprintln!("farthing-settle: {error:#}");
            }
            ExitCode::from(cli::output::Failure::of(&error).exit_code())
        }
    }
}
