//! The command line of `farthing-hub`.
//!
//! Exit codes: 0 done, 1 refused or failed, 2 wrong usage or configuration. With `--json` every command prints one JSON
//! value on standard output, and failures as `{"error":{"code":…,"message":…}}` on standard error; field names are
//! append-only.
//!
//! | file | holds |
//! | --- | --- |
//! | [`args`] | commands and options |
//! | [`init`] | a new hub's directory |
//! | [`local`] | what needs the files alone: `check-config`, `pin` |
//! | [`operate`] | what a running hub is asked |
//! | [`import`] | mandates, from a file to a running hub |
//! | [`risk`] | weights of the risk model, learned |
//! | `risk_args` | commands and options about risk |
//! | `risk_history` | why a lane is trusted as far as it is, and since when |
//! | `risk_replay` | weights that are not in force, over the recorded journal |
//! | `recorded` | the journal on this machine, record by record |
//! | `show` | answers for people |
//! | [`mod@print`] | tables and JSON |
//! | [`failure`] | why a command was not done |
//! | [`logging`] | where `run` writes its log |

pub mod args;
pub mod failure;
pub mod import;
pub mod init;
pub mod local;
pub mod logging;
pub mod operate;
pub mod print;
mod recorded;
pub mod risk;
mod risk_args;
mod risk_history;
mod risk_replay;
mod show;

#[cfg(test)]
mod tests;

use args::{Cli, Command, RiskCommand};
use failure::Failure;
use print::Printer;

use crate::config::Config;

/// Does what the command line says, `run` excepted.
///
/// # Errors
/// [`Failure`].
pub fn execute(cli: &Cli) -> Result<(), Failure> {
    let printer = Printer { json: cli.json };
    match &cli.command {
        // The daemon is the binary's own business, for it owns the process: its log, its signals, its end.
        Command::Run => Ok(()),
        Command::Init(options) => init::init(options, printer),
        Command::CheckConfig => local::check_config(&load(cli)?, printer),
        Command::Risk(RiskCommand::Fit(options)) => risk::fit(options, printer),
        Command::Risk(RiskCommand::Replay(options)) => risk_replay::replay(&load(cli)?, options, printer),
        Command::Pin => local::pin(&load(cli)?, printer),
        command => operate::operate(cli, command, printer),
    }
}

/// The settings that `--config` names.
///
/// # Errors
/// [`Failure::Usage`].
pub fn load(cli: &Cli) -> Result<Config, Failure> {
    Ok(Config::load(&cli.config)?)
}
