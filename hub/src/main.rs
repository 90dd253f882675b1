//! The binary: reads the command line, starts the log, runs the hub.

use std::process::ExitCode;

use clap::Parser as _;
use farthing_hub::cli::args::{Cli, Command};
use farthing_hub::cli::failure::Failure;
use farthing_hub::{cli, daemon};
use mimalloc::MiMalloc;

/// Asks for huge pages wherever the system leaves that to the program. A thousand connections are more pages of 4 KiB than
/// a processor's translation buffers hold, and each payment touches its connection twice.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.command {
        Command::Run => run(&cli),
        _ => cli::execute(&cli),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.report(cli.json);
            failure.exit_code()
        }
    }
}

fn run(cli: &Cli) -> Result<(), Failure> {
    let config = cli::load(cli)?;
    cli::logging::start(&config.log)?;
    daemon::run(config).map_err(|error| Failure::Failed { code: "run".to_owned(), message: format!("{error:#}") })
}
