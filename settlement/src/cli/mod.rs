//! The command line: arguments to calls of the library, results to text or JSON.

use clap::{Args, Parser, Subcommand};

mod bank;
mod chain;
mod clock;
mod desk;
mod escrow;
mod key_file;
mod ledger;
mod mandate;
mod night;
mod night_view;
pub(crate) mod output;
mod participant;
mod password;
mod report;
mod scheduled;
mod show;
mod site;
mod stage_meter;
mod stop;

/// Settles a Farthing hub: base ledger, escrows, mandates, the nightly run and its statements.
#[derive(Debug, Parser)]
#[command(name = "farthing-settle", version, about)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Debug, Args)]
pub(crate) struct Common {
    /// The site: DIR/ledger.redb, DIR/hub/journal and DIR/settlement.
    #[arg(long, global = true, default_value = ".", env = "FARTHING_SITE", value_name = "DIR")]
    pub(crate) site: std::path::PathBuf,
    /// The ledger's file, where it is not the site's: an embedded ledger, or the mirror of one on a chain.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) ledger: Option<std::path::PathBuf>,
    /// The hub's journal directory, where it is not the site's.
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) journal: Option<std::path::PathBuf>,
    /// The settlement directory, where it is not the site's.
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) settlement: Option<std::path::PathBuf>,
    /// The hub's secret key, which signs batches; by default DIR/hub/hub.key.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) hub_key: Option<std::path::PathBuf>,
    /// Where the chain and its contracts are, for a ledger on a chain; by default DIR/chain.toml.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) chain: Option<std::path::PathBuf>,
    /// The secret key that sends to the chain, and pays for it; by default DIR/sender.key.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) sender_key: Option<std::path::PathBuf>,
    /// Holds the password of the keys that are keystores (/dev/fd/N for a descriptor); else it is FARTHING_KEYSTORE_PASSWORD, or asked
    /// for.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) password_file: Option<std::path::PathBuf>,
    /// The hub's account, where its key is not at hand.
    #[arg(long, global = true, value_name = "ADDRESS")]
    pub(crate) hub: Option<farthing_channel::id::Address>,
    /// Digits after the point of an amount in tokens.
    #[arg(long, global = true, default_value_t = 6, value_name = "DIGITS")]
    pub(crate) decimals: u8,
    /// The token's name in print.
    #[arg(long, global = true, default_value = "", value_name = "NAME")]
    pub(crate) symbol: String,
    /// Print JSON.
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Secret keys in files, in the clear or encrypted (Web3 Secret Storage).
    #[command(subcommand)]
    Key(key_file::KeyCommand),
    /// The base ledger.
    #[command(subcommand)]
    Ledger(ledger::LedgerCommand),
    /// Hubs and providers: caps, approvers of their own, money out.
    #[command(subcommand)]
    Participant(participant::ParticipantCommand),
    /// Deposits in favour of the hub.
    #[command(subcommand)]
    Escrow(escrow::EscrowCommand),
    /// Permissions for devices to spend from an escrow.
    #[command(subcommand)]
    Mandate(mandate::MandateCommand),
    /// Do all of the night that can be done now: to the proposal, or, once it is approved, to the closed epoch.
    Run(scheduled::RunArguments),
    /// Cut off, verify every proof again, net, and propose what to collect and pay. Moves nothing.
    Plan(night::PlanArguments),
    /// Where an epoch stands, and what its netting came to: balances, transfers, how few there could be, who was left out.
    Show(report::EpochArgument),
    /// Approve the proposal with an approver's key.
    Approve(night::ApproveArguments),
    /// Bring the approved proposal to the ledger; after a challenge window, go on with it.
    Submit,
    /// Compare the ledger with the proposal, and lanes, journal and ledger with each other, row by row.
    Reconcile,
    /// Close the books of a reconciled epoch.
    Close,
    /// Take back what was planned, nothing of which may be on the ledger; the next plan cuts off anew.
    Discard,
    /// Write an epoch's folder (statement, tables, books, proofs), and print its figures.
    Report(report::ReportArguments),
    /// Write an epoch's transfers as orders for a bank (ISO 20022 pain.001).
    BankOrder(bank::BankArguments),
    /// Take a transfer apart, down to each signed proof.
    Explain(report::ExplainArguments),
    /// Check an epoch's folder without hub and ledger.
    Verify(report::VerifyArguments),
    /// Show that the payment of a receipt is among the records that an epoch's batches commit to.
    Prove(report::ProveArguments),
}

impl Arguments {
    /// What is logged where nobody says otherwise: what went wrong, and what a process that stays has done.
    pub(crate) const fn log_filter(&self) -> &'static str {
        match &self.command {
            Command::Run(arguments) if arguments.is_scheduled() => "warn,farthing_settle=info",
            // Where no bar can be shown, a line now and then says how far a long stage is.
            Command::Run(_) | Command::Plan(_) if !self.common.json => "warn,farthing_settle::cli::stage_meter=info",
            _ => "warn",
        }
    }
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It did what it was asked.
    Done,
    /// It looked, and what it looked at does not hold.
    DoesNotHold,
}

pub(crate) fn run(arguments: Arguments) -> anyhow::Result<Outcome> {
    let common = &arguments.common;
    match arguments.command {
        Command::Key(command) => key_file::run(common, &command),
        Command::Ledger(command) => ledger::run(common, &command),
        Command::Participant(command) => participant::run(common, &command),
        Command::Escrow(command) => escrow::run(common, &command),
        Command::Mandate(command) => mandate::run(common, &command),
        Command::Run(arguments) => scheduled::run(common, &arguments),
        Command::Plan(arguments) => night::plan(common, &arguments),
        Command::Show(arguments) => show::run(common, &arguments),
        Command::Approve(arguments) => night::approve(common, &arguments),
        Command::Submit => night::step(common, |night| night.submit()),
        Command::Reconcile => night::step(common, |night| night.reconcile()),
        Command::Close => night::step(common, |night| night.close()),
        Command::Discard => night::discard(common),
        Command::Report(arguments) => report::report(common, &arguments),
        Command::BankOrder(arguments) => bank::run(common, &arguments),
        Command::Explain(arguments) => report::explain_leg(common, &arguments),
        Command::Verify(arguments) => report::verify(common, &arguments),
        Command::Prove(arguments) => report::prove(common, &arguments),
    }
}
