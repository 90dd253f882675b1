//! Transfers as orders for a bank.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use farthing_settlement::bank::{BankConfig, MinorUnit, PaymentRun, credit_transfer, payment_run};
use farthing_settlement::export::{epoch_folder, write_credit_transfer};
use serde::Serialize;

use super::output::{print, table};
use super::{Common, Outcome};

#[derive(Debug, Args)]
pub(super) struct BankArguments {
    /// The epoch; the newest where it is left out. It must be settled.
    #[arg(long)]
    epoch: Option<u64>,
    /// The currency, and participants' accounts; by default DIR/bank.toml.
    #[arg(long, value_name = "FILE")]
    bank: Option<PathBuf>,
}

#[derive(Serialize)]
struct OrderView {
    epoch: u64,
    file: Option<String>,
    message_id: Option<String>,
    transactions: usize,
    currency: String,
    control_sum: String,
    rests: Vec<RestView>,
}

/// What is carried to the next run.
#[derive(Serialize)]
struct RestView {
    from: String,
    to: String,
    base_units: u128,
}

fn rests(run: &PaymentRun) -> Vec<RestView> {
    let view = |rest: &farthing_settlement::bank::Rest| RestView {
        from: rest.from.to_string(),
        to: rest.to.to_string(),
        base_units: rest.base_units,
    };
    run.rests.iter().map(view).collect()
}

pub(super) fn run(common: &Common, arguments: &BankArguments) -> anyhow::Result<Outcome> {
    let path = arguments.bank.clone().unwrap_or_else(|| common.site.join("bank.toml"));
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let config = BankConfig::parse(&text).with_context(|| path.display().to_string())?;
    let book = common.open_book()?;
    let epoch = arguments.epoch.or(book.epoch_newest()?).context("no night was run here yet")?;
    let unit = MinorUnit::new(common.decimals, config.currency.minor_digits());
    let run = payment_run(&book, epoch, config.first_epoch, &unit)?;
    let transfer = credit_transfer(&run, &config)?;
    let folder = epoch_folder(&common.settlement_path(), epoch);
    let file = transfer.as_ref().map(|transfer| write_credit_transfer(&folder, transfer)).transpose()?;
    let view = OrderView {
        epoch,
        file: file.map(|file| file.display().to_string()),
        message_id: transfer.as_ref().map(|transfer| transfer.message_id.clone()),
        transactions: run.orders.len(),
        currency: config.currency.code().to_owned(),
        control_sum: transfer.map_or_else(|| "0".to_owned(), |transfer| transfer.control_sum),
        rests: rests(&run),
    };
    let token = common.token();
    let rows: Vec<_> =
        view.rests.iter().map(|rest| vec![rest.from.clone(), rest.to.clone(), token.amount(rest.base_units)]).collect();
    let text = format!(
        "epoch {epoch}: {} transfers, {} {}\n{}\n{}",
        view.transactions,
        view.control_sum,
        view.currency,
        view.file.as_deref().unwrap_or("nothing comes to a minor unit yet, so there is no file"),
        table(&["carried from", "to", "amount"], &rows)
    );
    print(common, &view, text)?;
    Ok(Outcome::Done)
}
