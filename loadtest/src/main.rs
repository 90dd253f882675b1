//! `farthing-loadtest`: see the library.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use farthing_loadtest::{attack, crash, demo, echo, engine, idle, load, open, replay, risk_eval};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// Simulated fleets for a Farthing hub: load, replay of recorded use, power cuts, and a whole night of a site.
///
/// Without --hub a command sets up a site of its own from farthing-hub and farthing-settle, which must lie beside this
/// program or in the folder that FARTHING_BIN_DIR names. Set RUST_LOG=debug to hear what devices do.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Attack(attack::AttackArgs),
    Bench(Box<engine::BenchArgs>),
    EchoServer(echo::EchoServerArgs),
    Load(load::LoadArgs),
    Open(open::OpenArgs),
    IdleChannels(idle::IdleArgs),
    Replay(replay::ReplayArgs),
    RiskEval(risk_eval::RiskEvalArgs),
    Demo(demo::DemoArgs),
    Crash(crash::CrashArgs),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match run(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        // On a worker, where blocking for a moment moves the other tasks elsewhere.
        let mut task = tokio::spawn(execute(command));
        let name = tokio::select! {
            done = &mut task => return done?,
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        // Whatever the command started ends with it.
        task.abort();
        let _ = task.await;
        anyhow::bail!("ended by {name}")
    })
}

async fn execute(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Attack(args) => attack::run(&args).await.map(drop),
        Command::Bench(args) => engine::run(&args).await.map(drop),
        Command::EchoServer(args) => echo::run(&args).await,
        Command::Load(args) => load::run(&args).await.map(drop),
        Command::Open(args) => open::run(&args).await.map(drop),
        Command::IdleChannels(args) => idle::run(&args).await.map(drop),
        Command::Replay(args) => replay::run(&args).await.map(drop),
        Command::RiskEval(args) => risk_eval::run(&args).await.map(drop),
        Command::Demo(args) => demo::run(&args).await.map(drop),
        Command::Crash(args) => crash::run(&args).await.map(drop),
    }
}
