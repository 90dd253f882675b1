//! Whether every lane is proven by its device and covered by a mandate of its payer.

use std::collections::BTreeMap;

use farthing_channel::id::{Address, EscrowId};
use farthing_channel::sign::{LibSecp, verify_typed};

use super::Checks;
use crate::evidence::{LaneKeys, worth};
use crate::facts::EscrowFacts;
use crate::night::EpochOutputs;
use crate::proofs::ProofBundle;
use crate::stage::positions::{Cover, LaneLine, MandateFacts};

/// The key that a lane's proofs must be by.
pub(crate) fn payer_of(line: &LaneLine, escrow: &EscrowFacts) -> Address {
    if line.cover == Cover::Lone { escrow.signer } else { line.device }
}

pub(super) fn lanes(bundle: &ProofBundle, outputs: &EpochOutputs, checks: &mut Checks) {
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

pub(super) fn mandates(bundle: &ProofBundle, outputs: &EpochOutputs, checks: &mut Checks) {
    let mut wrong = Vec::new();
    for given in &bundle.mandates {
        if let Err(reason) = mandate(given, outputs) {
            wrong.push(reason);
        }
    }
    let index = bundle.mandate_index();
    let mut totals: BTreeMap<(EscrowId, Address), (u128, MandateFacts)> = BTreeMap::new();
    for line in outputs.positions.lanes.iter().filter(|line| line.collect > 0) {
        let Cover::Mandate(facts) = line.cover else { continue };
        let terms = index.get(&line.escrow, &line.device, facts.serial).map(|place| place.terms);
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

fn mandate(given: &farthing_channel::mandate::MandateBundle, outputs: &EpochOutputs) -> Result<(), String> {
    let escrow = outputs.cut_off.ledger.escrow(&given.escrow).ok_or("mandates of an unknown escrow")?;
    let verified = given.clone().verify(&LibSecp, &outputs.proposal.domain(), &escrow.signer);
    verified.map(drop).map_err(|refusal| format!("mandates under {}: {refusal}", given.escrow))
}
