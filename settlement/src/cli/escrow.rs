//! Deposits: what a payer does with its escrow.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::Subcommand;
use farthing_channel::eip712::{Domain, TypedData};
use farthing_channel::id::{Address, EscrowId, EscrowTerms, Hash32};
use farthing_channel::sign::{LibSecpKey, Signer as _};
use farthing_ledger::{
    Escrow, EscrowState, LedgerReader, LedgerView as _, OpenEscrow, RequestClose, Signed, SignedOperation, TopUp,
    Withdraw,
};
use farthing_settlement::text::utc;
use serde::Serialize;

use super::clock::now;
use super::key_file::copy_of;
use super::output::{print, table};
use super::{Common, Outcome};

#[derive(Debug, Subcommand)]
pub(super) enum EscrowCommand {
    /// Deposit money in favour of the hub.
    Open {
        /// The payer's key.
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// How much: base units, or tokens with a point.
        #[arg(long)]
        deposit: String,
        /// Whose signatures move the money; the payer's own where it is left out.
        #[arg(long, value_name = "ADDRESS")]
        signer: Option<Address>,
        /// Tells several escrows of one payer apart; drawn at random where it is left out.
        #[arg(long, value_name = "HEX")]
        salt: Option<Hash32>,
    },
    /// Raise the deposit.
    TopUp {
        /// The escrow.
        escrow: EscrowId,
        /// How much more.
        amount: String,
        /// The payer's key.
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
    },
    /// Announce the exit: after the grace period what is left may be withdrawn.
    RequestClose {
        /// The escrow.
        escrow: EscrowId,
        /// The payer's key.
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
    },
    /// Take back what is left.
    Withdraw {
        /// The escrow.
        escrow: EscrowId,
        /// The payer's key.
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
    },
    /// One escrow, or all.
    Show {
        /// The escrow.
        escrow: Option<EscrowId>,
    },
}

#[derive(Serialize)]
struct EscrowView {
    escrow: String,
    payer: String,
    payee: String,
    signer: String,
    deposit: u64,
    settled: u64,
    held: u64,
    state: &'static str,
    withdrawable_at: Option<u64>,
    lanes: u32,
}

impl EscrowView {
    fn of(escrow: &Escrow) -> Self {
        Self {
            escrow: escrow.id.to_string(),
            payer: escrow.payer.to_string(),
            payee: escrow.payee.to_string(),
            signer: escrow.signer().to_string(),
            deposit: escrow.deposit,
            settled: escrow.settled,
            held: escrow.held(),
            state: match escrow.state {
                EscrowState::Open => "open",
                EscrowState::CloseRequested { .. } => "close_requested",
                EscrowState::Finalized => "finalized",
            },
            withdrawable_at: escrow.withdrawable_at().map(|at| at.0),
            lanes: escrow.lanes,
        }
    }
}

pub(super) fn run(common: &Common, command: &EscrowCommand) -> anyhow::Result<Outcome> {
    let id = match command {
        EscrowCommand::Open { key, deposit, signer, salt } => open(common, key, deposit, *signer, *salt)?,
        EscrowCommand::TopUp { escrow, amount, key } => {
            let amount = common.amount(amount)?;
            by_payer(common, key, escrow, |escrow, counter, seal| {
                SignedOperation::TopUp(seal.sign(TopUp { escrow, counter, amount }))
            })?
        }
        EscrowCommand::RequestClose { escrow, key } => by_payer(common, key, escrow, |escrow, counter, seal| {
            SignedOperation::RequestClose(seal.sign(RequestClose { escrow, counter }))
        })?,
        EscrowCommand::Withdraw { escrow, key } => by_payer(common, key, escrow, |escrow, counter, seal| {
            SignedOperation::Withdraw(seal.sign(Withdraw { escrow, counter }))
        })?,
        EscrowCommand::Show { escrow: Some(escrow) } => *escrow,
        EscrowCommand::Show { escrow: None } => {
            show_all(common, &common.open_reader()?)?;
            return Ok(Outcome::Done);
        }
    };
    show(common, &common.open_reader()?, &id)?;
    Ok(Outcome::Done)
}

/// A key, and the ledger it signs for.
struct Seal {
    key: LibSecpKey,
    domain: Domain,
}

impl Seal {
    fn sign<T: TypedData>(&self, operation: T) -> Signed<T> {
        let Ok(signed) = Signed::sign(&self.key, &self.domain, operation);
        signed
    }
}

/// Submits what a payer asks of its escrow.
fn by_payer(
    common: &Common,
    key: &Path,
    id: &EscrowId,
    operation: impl FnOnce(EscrowId, u64, &Seal) -> SignedOperation,
) -> anyhow::Result<EscrowId> {
    let key = common.load_key(key)?;
    let ledger = common.open_ledger(vec![copy_of(&key)?])?;
    let escrow = ledger.escrow(id)?.context("the ledger has no such escrow")?;
    let seal = Seal { key, domain: ledger.identity().domain() };
    ledger.submit(&operation(*id, escrow.payer_operations.saturating_add(1), &seal), now())?;
    Ok(*id)
}

fn open(
    common: &Common,
    payer: &Path,
    deposit: &str,
    signer: Option<Address>,
    salt: Option<Hash32>,
) -> anyhow::Result<EscrowId> {
    let salt = match salt {
        Some(salt) => salt,
        None => {
            let mut drawn = Hash32::ZERO;
            getrandom::fill(&mut drawn.0).map_err(|error| anyhow!("no randomness: {error}"))?;
            drawn
        }
    };
    let payer = common.load_key(payer)?;
    let ledger = common.open_ledger(vec![copy_of(&payer)?])?;
    let terms = EscrowTerms {
        payer: payer.address(),
        payee: common.hub_account(ledger.reader())?,
        token: ledger.identity().token(),
        salt,
        authorized_signer: signer.unwrap_or(Address::ZERO),
    };
    let operation = OpenEscrow { terms, deposit: common.amount(deposit)? };
    let seal = Seal { key: payer, domain: ledger.identity().domain() };
    ledger.submit(&SignedOperation::OpenEscrow(seal.sign(operation)), now())?;
    let domain = seal.domain;
    Ok(terms.id(&domain.contract(), domain.chain_id()))
}

fn show(common: &Common, ledger: &LedgerReader, id: &EscrowId) -> anyhow::Result<()> {
    let escrow = ledger.escrow(id)?.context("the ledger has no such escrow")?;
    let view = EscrowView::of(&escrow);
    let token = common.token();
    let mut rows = vec![
        vec!["payer".into(), view.payer.clone()],
        vec!["payee".into(), view.payee.clone()],
        vec!["signer".into(), view.signer.clone()],
        vec!["deposit".into(), token.amount(view.deposit.into())],
        vec!["settled".into(), token.amount(view.settled.into())],
        vec!["held".into(), token.amount(view.held.into())],
        vec!["state".into(), view.state.to_owned()],
    ];
    if let Some(at) = view.withdrawable_at {
        rows.push(vec!["withdrawable".into(), utc(at)]);
    }
    print(common, &view, table(&["escrow", &view.escrow], &rows))
}

fn show_all(common: &Common, ledger: &LedgerReader) -> anyhow::Result<()> {
    let views: Vec<_> = ledger.escrows()?.iter().map(EscrowView::of).collect();
    let token = common.token();
    let row = |view: &EscrowView| {
        let held = token.amount(view.held.into());
        vec![view.escrow.clone(), view.payer.clone(), held, token.amount(view.settled.into()), view.state.to_owned()]
    };
    let rows: Vec<_> = views.iter().map(row).collect();
    print(common, &views, table(&["escrow", "payer", "held", "settled", "state"], &rows))
}
