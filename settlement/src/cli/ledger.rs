//! The base ledger: genesis, accounts, money in, log and audit.

use std::path::PathBuf;

use anyhow::{Context as _, anyhow, bail};
use clap::{Subcommand, ValueEnum};
use farthing_channel::eip712::TypedData;
use farthing_channel::id::{Address, Hash32, keccak256};
use farthing_channel::sign::{LibSecpKey, sign_typed};
use farthing_ledger::{
    Account, AccountKind, Approved, BaseLedger, EmbeddedLedger, GenesisAccount, Issue, LedgerView as _,
    RegisterAccount, SignedOperation,
};
use farthing_settlement::text::utc;
use serde::Serialize;

use super::chain::ChainArguments;
use super::clock::now;
use super::output::{print, table};
use super::{Common, Outcome};

#[derive(Debug, Subcommand)]
pub(super) enum LedgerCommand {
    /// Make a new ledger.
    Init {
        /// An approver's address; at least two.
        #[arg(long = "approver", required = true, value_name = "ADDRESS")]
        approvers: Vec<Address>,
        /// The hub's account and its label.
        #[arg(long = "hub-account", value_name = "ADDRESS=LABEL", value_parser = labelled)]
        hubs: Vec<Labelled>,
        /// A provider's account and its label.
        #[arg(long = "provider", value_name = "ADDRESS=LABEL", value_parser = labelled)]
        providers: Vec<Labelled>,
        /// For a rehearsal: play money, under a chain id of its own, so that nothing signed for it is valid elsewhere.
        #[arg(long)]
        rehearsal: bool,
        #[command(flatten)]
        chain: ChainArguments,
    },
    /// Follow the chain a ledger is on, until stopped: hub and settlement read what this brings.
    Follow,
    /// Register an account as hub, provider or payer.
    Register {
        /// The account.
        account: Address,
        /// What it is.
        #[arg(long)]
        kind: Kind,
        /// What people call it.
        #[arg(long)]
        label: String,
        /// Keys of two approvers.
        #[arg(long = "key", required = true, value_name = "FILE")]
        keys: Vec<PathBuf>,
    },
    /// Which ledger it is, and how far it reaches.
    Info,
    /// One account, or all.
    Account {
        /// The account.
        account: Option<Address>,
    },
    /// Record that money came in.
    Issue {
        /// Who receives it.
        account: Address,
        /// How much: base units, or tokens with a point.
        amount: String,
        /// Keys of two approvers.
        #[arg(long = "key", required = true, value_name = "FILE")]
        keys: Vec<PathBuf>,
        /// Names the payment outside, so that it is recorded once; drawn at random where it is left out.
        #[arg(long)]
        reference: Option<String>,
    },
    /// The ledger's log.
    Events {
        /// Only what comes after this event.
        #[arg(long, default_value_t = 0)]
        after: u64,
        /// At most this many.
        #[arg(long, default_value_t = 1000)]
        max: usize,
    },
    /// Add everything up from scratch.
    Audit,
}

/// What an account is.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Kind {
    Payer,
    Hub,
    Provider,
}

/// An account with its label.
#[derive(Debug, Clone)]
pub(super) struct Labelled {
    address: Address,
    label: String,
}

fn labelled(text: &str) -> Result<Labelled, String> {
    let (address, label) = text.split_once('=').ok_or("expected ADDRESS=LABEL")?;
    Ok(Labelled { address: address.parse().map_err(|error| format!("{error}"))?, label: label.to_owned() })
}

#[derive(Serialize)]
struct InfoView {
    chain_id: u64,
    contract: String,
    approvers: Vec<String>,
    head: u64,
    finalized: u64,
    hub: Option<String>,
    epoch_last: Option<u64>,
}

#[derive(Serialize)]
struct AccountView {
    address: String,
    kind: &'static str,
    label: String,
    balance: u64,
    payout: String,
}

#[derive(Serialize)]
struct EventView {
    cursor: u64,
    at: u64,
    event: String,
}

#[derive(Serialize)]
struct AuditView {
    issued: u64,
    accounts: u64,
    escrows: u64,
    settled: u64,
    conserved: bool,
}

#[derive(Serialize)]
struct DoneView {
    event: Option<u64>,
}

pub(super) fn run(common: &Common, command: &LedgerCommand) -> anyhow::Result<Outcome> {
    match command {
        LedgerCommand::Init { approvers, hubs, providers, rehearsal, chain } => match &chain.chain_rpc {
            Some(_) if !hubs.is_empty() || !providers.is_empty() => {
                bail!("accounts on a chain are registered with approvals: `ledger register`")
            }
            Some(rpc) => {
                common.init_chain(rpc, chain, approvers)?;
                info(common)?;
            }
            None => init(common, approvers, hubs, providers, *rehearsal)?,
        },
        LedgerCommand::Follow => common.follow_chain()?,
        LedgerCommand::Register { account, kind, label, keys } => register(common, account, *kind, label, keys)?,
        LedgerCommand::Info => info(common)?,
        LedgerCommand::Account { account } => accounts(common, account.as_ref())?,
        LedgerCommand::Issue { account, amount, keys, reference } => {
            issue(common, account, amount, keys, reference.as_deref())?;
        }
        LedgerCommand::Events { after, max } => events(common, *after, *max)?,
        LedgerCommand::Audit => audit(common)?,
    }
    Ok(Outcome::Done)
}

fn init(
    common: &Common,
    approvers: &[Address],
    hubs: &[Labelled],
    providers: &[Labelled],
    rehearsal: bool,
) -> anyhow::Result<()> {
    let path = common.ledger_path();
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory)?;
    }
    let account = |kind| {
        move |labelled: &Labelled| GenesisAccount { address: labelled.address, kind, label: labelled.label.clone() }
    };
    let mut accounts: Vec<_> = hubs.iter().map(account(AccountKind::Hub)).collect();
    accounts.extend(providers.iter().map(account(AccountKind::Provider)));
    let made = match rehearsal {
        true => EmbeddedLedger::rehearsal(&path, approvers, &accounts, now()),
        false => EmbeddedLedger::genesis(&path, approvers, &accounts, now()),
    };
    made.with_context(|| format!("cannot make the ledger {}", path.display()))?;
    info(common)
}

/// An operation with the approvals of two keys.
pub(super) fn approved<T: TypedData>(
    common: &Common,
    ledger: &dyn BaseLedger,
    keys: &[PathBuf],
    operation: T,
) -> anyhow::Result<Approved<T>> {
    let [first, second] = keys else { bail!("two approvers are needed; give --key twice") };
    let domain = ledger.identity().net_domain();
    let sign = |key: LibSecpKey| {
        let Ok(signature) = sign_typed(&key, &domain, &operation);
        signature
    };
    let approvals = [sign(common.load_key(first)?), sign(common.load_key(second)?)];
    Ok(Approved { operation, approvals })
}

pub(super) fn submit(
    common: &Common,
    ledger: &dyn BaseLedger,
    operation: &SignedOperation,
    done: &str,
) -> anyhow::Result<()> {
    let events = ledger.submit(operation, now())?;
    print(common, &DoneView { event: events.last().map(|event| event.cursor) }, done)
}

fn register(common: &Common, account: &Address, kind: Kind, label: &str, keys: &[PathBuf]) -> anyhow::Result<()> {
    let ledger = common.open_ledger(Vec::new())?;
    let revision = ledger.account(account)?.registrations.saturating_add(1);
    let kind = match kind {
        Kind::Payer => AccountKind::Payer,
        Kind::Hub => AccountKind::Hub,
        Kind::Provider => AccountKind::Provider,
    };
    let operation = RegisterAccount { account: *account, kind, label: label.to_owned(), revision };
    let operation = SignedOperation::RegisterAccount(approved(common, &*ledger, keys, operation)?);
    submit(common, &*ledger, &operation, &format!("{account} is registered"))?;
    common.name_vault(account)
}

fn issue(
    common: &Common,
    account: &Address,
    amount: &str,
    keys: &[PathBuf],
    reference: Option<&str>,
) -> anyhow::Result<()> {
    let ledger = common.open_ledger(Vec::new())?;
    let amount = common.amount64(amount)?;
    let reference = match reference {
        Some(text) => Hash32(keccak256(&[text.as_bytes()])),
        None => {
            let mut drawn = Hash32::ZERO;
            getrandom::fill(&mut drawn.0).map_err(|error| anyhow!("no randomness: {error}"))?;
            drawn
        }
    };
    let operation =
        SignedOperation::Issue(approved(common, &*ledger, keys, Issue { reference, account: *account, amount })?);
    submit(common, &*ledger, &operation, &format!("{} for {account}", common.token().amount(amount.into())))
}

fn info(common: &Common) -> anyhow::Result<()> {
    let ledger = common.open_reader()?;
    let identity = ledger.identity();
    let heads = ledger.heads()?;
    let hub = common.hub_account(&ledger).ok();
    let epoch_last = hub.map(|hub| ledger.epoch_last(&hub)).transpose()?.flatten().map(|closed| closed.epoch);
    let view = InfoView {
        chain_id: identity.chain_id,
        contract: identity.contract.to_string(),
        approvers: identity.approvers.iter().map(ToString::to_string).collect(),
        head: heads.head,
        finalized: heads.finalized,
        hub: hub.map(|hub| hub.to_string()),
        epoch_last,
    };
    let rows = vec![
        vec!["chain".into(), view.chain_id.to_string()],
        vec!["contract".into(), view.contract.clone()],
        vec!["approvers".into(), view.approvers.join(" ")],
        vec!["events".into(), view.head.to_string()],
        vec!["hub".into(), view.hub.clone().unwrap_or_default()],
        vec!["last epoch".into(), view.epoch_last.unwrap_or(0).to_string()],
    ];
    print(common, &view, table(&["ledger", &common.ledger_path().display().to_string()], &rows))
}

fn accounts(common: &Common, account: Option<&Address>) -> anyhow::Result<()> {
    let ledger = common.open_reader()?;
    let view = |account: Account| AccountView {
        address: account.address.to_string(),
        kind: match account.kind {
            AccountKind::Payer => "payer",
            AccountKind::Hub => "hub",
            AccountKind::Provider => "provider",
        },
        payout: account.payout_at(now()).to_string(),
        label: account.label,
        balance: account.balance,
    };
    let accounts = match account {
        Some(address) => vec![ledger.account(address)?],
        None => ledger.accounts()?,
    };
    let views: Vec<_> = accounts.into_iter().map(view).collect();
    let rows: Vec<_> = views
        .iter()
        .map(|view| {
            let balance = common.token().amount(view.balance.into());
            vec![view.address.clone(), view.kind.to_owned(), balance, view.label.clone()]
        })
        .collect();
    let text = table(&["account", "kind", "balance", "label"], &rows);
    match views.as_slice() {
        [only] if account.is_some() => print(common, only, text),
        _ => print(common, &views, text),
    }
}

fn events(common: &Common, after: u64, max: usize) -> anyhow::Result<()> {
    let events = common.open_reader()?.events(after, max)?;
    let views: Vec<_> = events
        .iter()
        .map(|logged| EventView { cursor: logged.cursor, at: logged.at.0, event: format!("{:?}", logged.event) })
        .collect();
    let rows: Vec<_> =
        views.iter().map(|view| vec![view.cursor.to_string(), utc(view.at), view.event.clone()]).collect();
    print(common, &views, table(&["event", "at", "what"], &rows))
}

fn audit(common: &Common) -> anyhow::Result<()> {
    let audit = common.open_reader()?.audit()?;
    let conserved = audit.accounts.checked_add(audit.escrows) == Some(audit.issued);
    let view = AuditView {
        issued: audit.issued,
        accounts: audit.accounts,
        escrows: audit.escrows,
        settled: audit.settled,
        conserved,
    };
    let token = common.token();
    let text = format!(
        "issued {} = accounts {} + escrows {}; settled to date {}",
        token.amount(audit.issued.into()),
        token.amount(audit.accounts.into()),
        token.amount(audit.escrows.into()),
        token.amount(audit.settled.into())
    );
    print(common, &view, text)
}
