//! Offline verification of a closed epoch's folder: no hub, no ledger, no book. Every signature is recovered, every hash
//! chain walked, and everything between the proofs and the transfers computed again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use farthing_channel::codec::decode_exact;
use farthing_channel::id::{Address, EscrowId, Hash32};
use farthing_channel::sign::{LibSecp, verify_typed};
use farthing_ledger::limits::APPROVALS_REQUIRED;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::approval;
use crate::evidence::{LaneKeys, worth};
use crate::export::{FileNames, read_bundle};
use crate::facts::EscrowFacts;
use crate::netting::{Greedy, Netting, net};
use crate::night::EpochOutputs;
use crate::proofs::ProofBundle;
use crate::proposal::{Inputs, Proposal, propose};
use crate::stage::cut_off::CutOff;
use crate::stage::positions::{Cover, LaneLine, MandateFacts, Positions};
use crate::stage::reconcile::Reconciliation;
use crate::stage::{Stage, content_hash};
use crate::statement::{lanes_csv, legs_csv, positions_csv};

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
    let bundle = read_bundle(folder)?;
    let mut checks = Checks::default();
    let Some(outputs) = read_outputs(&bundle, &mut checks) else {
        return Ok(Verification { epoch: 0, proposal: String::new(), holds: false, checks: checks.0 });
    };
    chain_of_stages(&bundle, &outputs, &mut checks);
    lanes(&bundle, &outputs, &mut checks);
    mandates(&bundle, &outputs, &mut checks);
    approvals(&bundle, &outputs, &mut checks);
    reconciliation(&outputs, &mut checks);
    tables(folder, &outputs, &mut checks)?;
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
        json(&bundle.positions),
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
    let netted = net(&outputs.positions.positions, &Greedy);
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

/// The key that a lane's proofs must be by.
fn payer_of(line: &LaneLine, escrow: &EscrowFacts) -> Address {
    if line.cover == Cover::Lone { escrow.signer } else { line.device }
}

fn lanes(bundle: &ProofBundle, outputs: &EpochOutputs, checks: &mut Checks) {
    let mut checked = 0_u64;
    let mut wrong = Vec::new();
    let domain = outputs.proposal.domain();
    for line in outputs.positions.lanes.iter().filter(|line| line.total() > 0) {
        checked += 1;
        match lane(bundle, outputs, line, &domain) {
            Ok(()) => {}
            Err(reason) => wrong.push(format!("{}: {reason}", line.lane)),
        }
    }
    let outcome = if wrong.is_empty() { Ok(format!("{checked} lanes")) } else { Err(wrong.join("; ")) };
    checks.add("every lane's total is proven by its device", outcome);
}

fn lane(
    bundle: &ProofBundle,
    outputs: &EpochOutputs,
    line: &LaneLine,
    domain: &farthing_channel::eip712::Domain,
) -> Result<(), String> {
    let proof = bundle.lane(&line.lane).ok_or("no proof is given")?;
    let escrow = outputs.cut_off.ledger.escrow(&line.escrow).ok_or("its escrow is unknown")?;
    let keys = LaneKeys { domain, payer: payer_of(line, escrow) };
    let total = worth(&keys, &LibSecp, &line.lane, &proof.evidence).map_err(|refusal| refusal.to_string())?;
    if total.amount() < line.total() {
        return Err(format!("proven {}, settled {}", total.amount(), line.total()));
    }
    let Some(report) = &proof.report else {
        return if line.credited == 0 { Ok(()) } else { Err("no report shows the refund".to_owned()) };
    };
    let signature = report.signature.check().map_err(|error| error.to_string())?;
    verify_typed(&LibSecp, domain, &report.typed(), &signature, &line.payee).map_err(|error| error.to_string())
}

fn mandates(bundle: &ProofBundle, outputs: &EpochOutputs, checks: &mut Checks) {
    let mut wrong = Vec::new();
    for given in &bundle.mandates {
        if let Err(reason) = mandate(given, outputs) {
            wrong.push(reason);
        }
    }
    let mut totals: BTreeMap<(EscrowId, Address), (u128, MandateFacts)> = BTreeMap::new();
    for line in outputs.positions.lanes.iter().filter(|line| line.collect > 0) {
        let Cover::Mandate(facts) = line.cover else { continue };
        let stated = bundle.mandate(&line.escrow, &line.device, facts.serial);
        let terms = stated.and_then(|(bundle, place)| bundle.mandates.get(place));
        match terms {
            Some(terms) if terms.limit == facts.limit && terms.allows(&line.payee) => {}
            Some(_) => wrong.push(format!("{}: its mandate says otherwise", line.lane)),
            None => wrong.push(format!("{}: its mandate is not given", line.lane)),
        }
        totals.entry((line.escrow, line.device)).or_insert((0, facts));
    }
    for line in &outputs.positions.lanes {
        if let Some((total, _)) = totals.get_mut(&(line.escrow, line.device)) {
            *total = total.saturating_add(line.total().into());
        }
    }
    for ((_, device), (total, facts)) in &totals {
        if *total > facts.limit {
            wrong.push(format!("{device} pays {total}, above its limit of {}", facts.limit));
        }
    }
    let outcome = if wrong.is_empty() { Ok(format!("{} channels", totals.len())) } else { Err(wrong.join("; ")) };
    checks.add("every channel stays within a mandate of its payer", outcome);
}

fn mandate(
    given: &farthing_channel::mandate::MandateBundle,
    outputs: &EpochOutputs,
) -> Result<(), String> {
    let escrow = outputs.cut_off.ledger.escrow(&given.escrow).ok_or("mandates of an unknown escrow")?;
    let verified = given.clone().verify(&LibSecp, &outputs.proposal.domain(), &escrow.signer);
    verified.map(drop).map_err(|refusal| format!("mandates under {}: {refusal}", given.escrow))
}

fn approvals(bundle: &ProofBundle, outputs: &EpochOutputs, checks: &mut Checks) {
    let wrong: Vec<String> = outputs
        .approvals
        .iter()
        .filter_map(|row| approval::check(&outputs.proposal, &bundle.approvers, row).err())
        .map(|error| error.to_string())
        .collect();
    let complete = approval::assemble(&outputs.proposal, &outputs.approvals).is_some();
    let outcome = match (wrong.is_empty(), complete) {
        (true, true) => Ok(format!("{} approvers", outputs.approvals.len())),
        (true, false) => Err(format!("fewer than {APPROVALS_REQUIRED} approvals")),
        (false, _) => Err(wrong.join("; ")),
    };
    checks.add("two different approvers signed the proposal", outcome);
}

fn reconciliation(outputs: &EpochOutputs, checks: &mut Checks) {
    let holds = outputs.reconciliation.as_ref().is_some_and(Reconciliation::adds_up);
    checks.require("the ledger did exactly this", holds, "there is no reconciliation that adds up");
}

/// The tables beside the proofs say the same.
fn tables(folder: &Path, outputs: &EpochOutputs, checks: &mut Checks) -> Result<(), VerifyError> {
    let tables = [
        (FileNames::POSITIONS, positions_csv(outputs)),
        (FileNames::LEGS, legs_csv(outputs)),
        (FileNames::LANES, lanes_csv(outputs)),
    ];
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
