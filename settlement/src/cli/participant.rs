//! Hubs and providers: caps, approvers of their own, money out, payout addresses.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Subcommand;
use farthing_channel::id::{Address, Hash32, keccak256};
use farthing_ledger::{Account, LedgerView as _, Payout, SetParticipant, SetPayout, Signed, SignedOperation};
use farthing_settlement::text::utc;
use serde::Serialize;

use super::clock::now;
use super::ledger::{approved, submit};
use super::output::{print, table};
use super::{Common, Outcome};

#[derive(Debug, Subcommand)]
pub(super) enum ParticipantCommand {
    /// What every hub and provider holds, may owe, and is approved by.
    Show,
    /// Give one approvers of its own and a cap on what it may owe in one night; both replace what was set before.
    Set {
        /// The hub or provider.
        account: Address,
        /// Most it may owe net in one batch of transfers: base units, or tokens with a point. Without it: no cap.
        #[arg(long, value_name = "AMOUNT")]
        cap: Option<String>,
        /// An approver of its own, at least two of them; without any, the ledger's approve for it.
        #[arg(long = "approver", value_name = "ADDRESS")]
        approvers: Vec<Address>,
        /// Keys of two who approve for it until now.
        #[arg(long = "key", required = true, value_name = "FILE")]
        keys: Vec<PathBuf>,
    },
    /// Take its money off the ledger, to its payout address.
    PayOut {
        /// The hub or provider.
        account: Address,
        /// How much: base units, or tokens with a point.
        amount: String,
        /// Names the payment, so that it happens once.
        #[arg(long)]
        reference: String,
        /// Keys of two who approve for it.
        #[arg(long = "key", required = true, value_name = "FILE")]
        keys: Vec<PathBuf>,
    },
    /// Send a provider's money elsewhere, from 48 hours on.
    PayoutAddress {
        /// Where its money shall go.
        payout: Address,
        /// The provider's own key.
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
    },
}

#[derive(Serialize)]
struct ParticipantView {
    account: String,
    label: String,
    balance: u64,
    net_debit_cap: Option<u64>,
    approvers: Vec<String>,
    payout: String,
    payout_next: Option<NextPayoutView>,
}

#[derive(Serialize)]
struct NextPayoutView {
    payout: String,
    effective: u64,
}

impl ParticipantView {
    fn of(account: Account) -> Self {
        let waiting = account.payout_pending.filter(|pending| pending.effective > now());
        Self {
            account: account.address.to_string(),
            payout: account.payout_at(now()).to_string(),
            payout_next: waiting
                .map(|pending| NextPayoutView { payout: pending.payout.to_string(), effective: pending.effective.0 }),
            net_debit_cap: account.settings.as_ref().map(|set| set.net_debit_cap).filter(|cap| *cap < u64::MAX),
            approvers: account.approvers().iter().map(ToString::to_string).collect(),
            label: account.label,
            balance: account.balance,
        }
    }
}

pub(super) fn run(common: &Common, command: &ParticipantCommand) -> anyhow::Result<Outcome> {
    match command {
        ParticipantCommand::Show => show(common)?,
        ParticipantCommand::Set { account, cap, approvers, keys } => {
            set(common, account, cap.as_deref(), approvers, keys)?;
        }
        ParticipantCommand::PayOut { account, amount, reference, keys } => {
            pay_out(common, account, amount, reference, keys)?;
        }
        ParticipantCommand::PayoutAddress { payout, key } => {
            let ledger = common.open_ledger(Vec::new())?;
            let key = common.load_key(key)?;
            let account = farthing_channel::sign::Signer::address(&key);
            let revision = ledger.account(&account)?.payout_changes.saturating_add(1);
            let operation = SetPayout { account, payout: *payout, revision };
            let Ok(signed) = Signed::sign(&key, &ledger.identity().net_domain(), operation);
            let done = format!("money of {account} goes to {payout} after 48 hours");
            submit(common, &*ledger, &SignedOperation::SetPayout(signed), &done)?;
        }
    }
    Ok(Outcome::Done)
}

fn show(common: &Common) -> anyhow::Result<()> {
    let accounts = common.open_reader()?.accounts()?;
    let participants = accounts.into_iter().filter(|account| account.kind.is_participant());
    let views: Vec<_> = participants.map(ParticipantView::of).collect();
    let token = common.token();
    let row = |view: &ParticipantView| {
        let payout = match &view.payout_next {
            Some(next) => format!("{}, from {} {}", view.payout, utc(next.effective), next.payout),
            None => view.payout.clone(),
        };
        vec![
            view.account.clone(),
            view.label.clone(),
            token.amount(view.balance.into()),
            view.net_debit_cap.map_or_else(|| "none".to_owned(), |cap| token.amount(cap.into())),
            if view.approvers.is_empty() { "the ledger's".to_owned() } else { view.approvers.join(" ") },
            payout,
        ]
    };
    let rows: Vec<_> = views.iter().map(row).collect();
    print(common, &views, table(&["account", "label", "balance", "cap", "approvers", "payout"], &rows))
}

fn set(
    common: &Common,
    account: &Address,
    cap: Option<&str>,
    approvers: &[Address],
    keys: &[PathBuf],
) -> anyhow::Result<()> {
    let ledger = common.open_ledger(Vec::new())?;
    let net_debit_cap = cap.map(|cap| common.amount64(cap)).transpose()?.unwrap_or(u64::MAX);
    let settings = ledger.account(account)?.settings;
    let revision = settings.map_or(0, |settings| settings.revision).checked_add(1).context("no revision is left")?;
    let mut approvers = approvers.to_vec();
    approvers.sort_unstable();
    let operation = SetParticipant { account: *account, net_debit_cap, approvers, revision };
    let operation = SignedOperation::SetParticipant(approved(common, &*ledger, keys, operation)?);
    submit(common, &*ledger, &operation, &format!("{account} is set"))
}

fn pay_out(common: &Common, account: &Address, amount: &str, reference: &str, keys: &[PathBuf]) -> anyhow::Result<()> {
    let ledger = common.open_ledger(Vec::new())?;
    let amount = common.amount64(amount)?;
    let payout = Payout { reference: Hash32(keccak256(&[reference.as_bytes()])), account: *account, amount };
    let operation = SignedOperation::Payout(approved(common, &*ledger, keys, payout)?);
    let done = format!("{} of {account} are paid out", common.token().amount(amount.into()));
    submit(common, &*ledger, &operation, &done)
}
