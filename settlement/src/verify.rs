//! Offline verification of a closed epoch's folder: no hub, no ledger, no book. Every signature is recovered, every hash
//! chain walked, and everything between the proofs and the transfers computed again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use farthing_channel::codec::decode_exact;
use farthing_channel::id::{Address, Hash32};
use farthing_channel::wire::SignedReceipt;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::approval;
use crate::export::{FileNames, read_bundle};
use crate::inclusion::{self, Inclusion};
use crate::netting::Netting;
use crate::night::EpochOutputs;
use crate::proofs::ProofBundle;
use crate::proposal::{Inputs, Proposal, propose};
use crate::stage::cut_off::CutOff;
use crate::stage::positions::Positions;
use crate::stage::reconcile::Reconciliation;
use crate::stage::{Stage, content_hash};
use crate::statement::{lanes_csv, legs_csv, positions_csv, reconciliation_csv};

pub(crate) mod cover;

/// Why a folder cannot even be looked at.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// A file cannot be read.
    #[error("cannot read {path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The proofs are not of a version this program reads, or not proofs.
    #[error("{0} is not a proof file that this version reads")]
    NotProofs(PathBuf),
}

/// One thing that was checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What.
    pub what: String,
    /// Whether it holds.
    pub holds: bool,
    /// How much was looked at, or what is wrong.
    pub detail: String,
}

/// The result of a verification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// The epoch.
    pub epoch: u64,
    /// The proposal, computed again.
    pub proposal: String,
    /// Whether everything holds.
    pub holds: bool,
    /// Everything that was checked.
    pub checks: Vec<Check>,
}

/// Verifies the folder of an epoch.
///
/// # Errors
/// [`VerifyError`] where there is nothing to verify. What does not hold is told in the result.
pub fn verify_folder(folder: &Path) -> Result<Verification, VerifyError> {
    verify(folder, None)
}

/// Verifies the folder of an epoch, and that the payment of a receipt is among the epoch's records.
///
/// # Errors
/// As [`verify_folder`].
pub fn verify_payment(
    folder: &Path,
    receipt: &SignedReceipt,
    inclusion: &Inclusion,
) -> Result<Verification, VerifyError> {
    verify(folder, Some((receipt, inclusion)))
}

fn verify(folder: &Path, payment: Option<(&SignedReceipt, &Inclusion)>) -> Result<Verification, VerifyError> {
    let bundle = read_bundle(folder)?;
    let mut checks = Checks::default();
    let Some(outputs) = read_outputs(&bundle, &mut checks) else {
        return Ok(Verification { epoch: 0, proposal: String::new(), holds: false, checks: checks.0 });
    };
    chain_of_stages(&bundle, &outputs, &mut checks);
    cover::lanes(&bundle, &outputs, &mut checks);
    cover::mandates(&bundle, &outputs, &mut checks);
    approvals(&bundle, &outputs, &mut checks);
    reconciliation(&outputs, &mut checks);
    tables(folder, &outputs, &mut checks)?;
    if let Some((receipt, inclusion)) = payment {
        let outcome = inclusion::check(&outputs, receipt, inclusion);
        checks.add("the receipt's payment is in the epoch's journal root", outcome);
    }
    Ok(Verification {
        epoch: outputs.cut_off.epoch,
        proposal: outputs.proposal.id().to_string(),
        holds: checks.0.iter().all(|check| check.holds),
        checks: checks.0,
    })
}

#[derive(Default)]
struct Checks(Vec<Check>);

impl Checks {
    fn add(&mut self, what: &str, outcome: Result<String, String>) {
        let holds = outcome.is_ok();
        let (Ok(detail) | Err(detail)) = outcome;
        self.0.push(Check { what: what.to_owned(), holds, detail });
    }

    fn require(&mut self, what: &str, holds: bool, wrong: &str) {
        self.add(what, if holds { Ok(String::new()) } else { Err(wrong.to_owned()) });
    }
}

fn read_outputs(bundle: &ProofBundle, checks: &mut Checks) -> Option<EpochOutputs> {
    fn json<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
        serde_json::from_slice(bytes).ok()
    }
    let reconciliation = match &bundle.reconciliation {
        Some(bytes) => Some(json::<Reconciliation>(bytes)?),
        None => None,
    };
    let parts: (Option<CutOff>, Option<Positions>, Option<Netting>, Option<Proposal>) = (
        json(&bundle.cut_off),
        decode_exact(&bundle.positions).ok(),
        json(&bundle.netting),
        decode_exact(&bundle.proposal).ok(),
    );
    let (Some(cut_off), Some(positions), Some(netting), Some(proposal)) = parts else {
        checks.require("the stages' outputs can be read", false, "an output is damaged");
        return None;
    };
    let approvals = bundle.approvals.clone();
    Some(EpochOutputs { cut_off, positions, netting, proposal, approvals, reconciliation, closed: None })
}

/// The proposal names the outputs by their hashes, and follows from them.
fn chain_of_stages(bundle: &ProofBundle, outputs: &EpochOutputs, checks: &mut Checks) {
    let inputs = Inputs {
        cut_off: content_hash(Stage::CutOff, &bundle.cut_off),
        positions: content_hash(Stage::Positions, &bundle.positions),
        netting: content_hash(Stage::Netting, &bundle.netting),
    };
    let proposal = &outputs.proposal;
    let named = (proposal.cut_off, proposal.positions, proposal.netting);
    let same = named == (inputs.cut_off, inputs.positions, inputs.netting);
    checks.require("the proposal names these outputs", same, "a stage's output was changed");
    let positions = &outputs.positions;
    let netted = outputs.cut_off.terms.net_with_attempts(&positions.all(), &positions.attempts);
    checks.require(
        "the netting follows from the positions",
        netted.as_ref() == Ok(&outputs.netting),
        "netting the positions again gives other legs",
    );
    let proposed = propose(&outputs.cut_off, &outputs.positions, &outputs.netting, inputs);
    checks.require(
        "the proposal follows from the stages, trees included",
        proposed.as_ref() == Ok(proposal),
        "proposing again gives another proposal",
    );
    let sums_agree = sums_agree(outputs);
    checks.require("lanes, escrows and transfers add up", sums_agree, "the sums differ");
}

fn sums_agree(outputs: &EpochOutputs) -> bool {
    let positions = &outputs.positions;
    let lanes: u128 = positions.lanes.iter().map(|line| u128::from(line.collect)).sum();
    let draws: u128 = positions.draws.iter().map(|draw| u128::from(draw.amount())).sum();
    let lines = positions.lanes.iter().all(|line| {
        let spent = u128::from(line.total()).saturating_add(line.carried.into()).saturating_add(line.credited.into());
        spent == u128::from(line.authorised).saturating_add(line.overpaid.into())
    });
    let mut owed: BTreeMap<(Address, Address), u128> = BTreeMap::new();
    for line in positions.lanes.iter().filter(|line| line.collect > 0) {
        let Some(escrow) = outputs.cut_off.ledger.escrow(&line.escrow) else { return false };
        *owed.entry((escrow.payer, line.payee)).or_default() += u128::from(line.collect);
    }
    for draw in &positions.draws {
        *owed.entry((outputs.cut_off.hub, draw.payer)).or_default() += u128::from(draw.amount());
    }
    owed.retain(|(debtor, creditor), _| debtor != creditor);
    let stated = positions.positions.iter().map(|position| ((position.debtor, position.creditor), position.amount));
    lanes == draws && draws == outputs.proposal.collected() && lines && owed == stated.collect()
}

fn approvals(bundle: &ProofBundle, outputs: &EpochOutputs, checks: &mut Checks) {
    let approvers = bundle.approvers();
    let wrong: Vec<String> = outputs
        .approvals
        .iter()
        .filter_map(|row| approval::check(&outputs.proposal, &approvers, row).err())
        .map(|error| error.to_string())
        .collect();
    let complete = approval::assemble(&outputs.proposal, &approvers, &outputs.approvals).is_some();
    let outcome = match (wrong.is_empty(), complete) {
        (true, true) => Ok(format!("{} approvers", outputs.approvals.len())),
        (true, false) => {
            Err(format!("{} approvals are missing", approvers.missing(&outputs.proposal, &outputs.approvals)))
        }
        (false, _) => Err(wrong.join("; ")),
    };
    checks.add("two different approvers of each side signed the proposal", outcome);
}

fn reconciliation(outputs: &EpochOutputs, checks: &mut Checks) {
    let holds = outputs.reconciliation.as_ref().is_some_and(Reconciliation::adds_up);
    checks.require("the ledger did exactly this", holds, "there is no reconciliation that adds up");
    if let Some(sides) = outputs.three_way() {
        let outcome = if sides.holds() {
            Ok(format!("{} rows", sides.totals.iter().map(|kind| kind.rows).sum::<u64>()))
        } else {
            Err(format!("{} rows differ", sides.exceptions().count()))
        };
        checks.add("lanes, journal and ledger agree", outcome);
    }
}

/// The tables beside the proofs say the same.
fn tables(folder: &Path, outputs: &EpochOutputs, checks: &mut Checks) -> Result<(), VerifyError> {
    let mut tables = vec![
        (FileNames::POSITIONS, positions_csv(outputs)),
        (FileNames::LEGS, legs_csv(outputs)),
        (FileNames::LANES, lanes_csv(outputs)),
    ];
    if let Some(sides) = outputs.three_way() {
        tables.push((FileNames::RECONCILIATION, reconciliation_csv(outputs, sides)));
    }
    for (name, expected) in tables {
        let path = folder.join(name);
        let found = std::fs::read(&path).map_err(|error| VerifyError::Io { path, error })?;
        let same = expected.is_ok_and(|expected| expected == found);
        checks.require(&format!("{name} says the same"), same, "the file was changed");
    }
    Ok(())
}

/// The content hash of a proposal in a folder's proofs.
#[must_use]
pub fn proposal_id(bundle: &ProofBundle) -> Option<Hash32> {
    decode_exact::<Proposal>(&bundle.proposal).ok().map(|proposal| proposal.id())
}
