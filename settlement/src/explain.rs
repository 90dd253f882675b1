//! `explain`: from a transfer down to every signature behind it.

use std::collections::BTreeMap;

use farthing_channel::eip712::{Domain, Mandate, MandateRoot, TypedData as _, Voucher};
use farthing_channel::id::{Address, Digest, Hash32, keccak256};
use farthing_channel::lane::Evidence;
use farthing_channel::mandate::{Authority, MandateBundle};
use farthing_channel::sign::{LibSecp, Recover as _, UncheckedSignature};
use farthing_ledger::tree::{BatchTree, SumNode};
use serde::Serialize;

use crate::night::EpochOutputs;
use crate::proofs::{MandateIndex, MandatePlace, ProofBundle};
use crate::proposal::{channel_plans, tree};
use crate::stage::positions::{Cover, LaneLine};

/// A signature, and whose it turned out to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SignedBy {
    /// What was signed.
    pub what: String,
    /// The digest.
    pub digest: String,
    /// The signature, EIP-2098.
    pub signature: String,
    /// The address recovered from it; `None` where it recovers to no key.
    pub signer: Option<String>,
    /// Whose it must be.
    pub expected: String,
}

impl SignedBy {
    fn new(what: &str, digest: &Digest, signature: &UncheckedSignature, expected: &Address) -> Self {
        let checked = signature.check().ok();
        let signer = checked.and_then(|signature| LibSecp.recover(digest, &signature).ok());
        Self {
            what: what.to_owned(),
            digest: digest.to_string(),
            signature: format!("0x{}", hex::encode(signature.0)),
            signer: signer.map(|signer| signer.to_string()),
            expected: expected.to_string(),
        }
    }

    /// Whether it is by whom it must be.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.signer.as_ref() == Some(&self.expected)
    }
}

/// A preimage under an anchor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TickView {
    /// Its index.
    pub index: u16,
    /// The preimage.
    pub preimage: String,
    /// The chain's root, as the anchor signs it.
    pub root: String,
    /// The total before the chain's first tick, base units.
    pub base_amount: u64,
    /// Base units per `ticks_per_amount` ticks.
    pub tick_amount: u32,
    /// Ticks that cost `tick_amount`.
    pub ticks_per_amount: u32,
    /// Whether hashing the preimage down leads to the root.
    pub leads_to_root: bool,
}

/// One lane behind a leg. Amounts are base units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LaneExplanation {
    /// The lane.
    pub lane: String,
    /// The device.
    pub device: String,
    /// The payer whose escrow pays.
    pub payer: String,
    /// The escrow.
    pub escrow: String,
    /// The service.
    pub rating_group: u32,
    /// Collected before this epoch.
    pub before: u64,
    /// Collected in it.
    pub collected: u64,
    /// Proven in total.
    pub authorised: u64,
    /// Refunded in total.
    pub credited: u64,
    /// The device's signature: over a voucher, or over a chain's anchor.
    pub proof: Option<SignedBy>,
    /// The preimage, where the proof is a tick.
    pub tick: Option<TickView>,
    /// The payer's signature over the mandate.
    pub mandate: Option<SignedBy>,
    /// Root of the escrow's tree that holds the lane; `None` for a lone payer.
    pub tree_root: Option<String>,
    /// Whether the lane's path leads to that root.
    pub in_tree: Option<bool>,
}

/// A leg taken apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The epoch.
    pub epoch: u64,
    /// The leg's number.
    pub leg: usize,
    /// Who pays.
    pub from: String,
    /// Who receives.
    pub to: String,
    /// How much.
    pub amount: u128,
    /// What the receiver is owed by others, before netting.
    pub owed_to_receiver: BTreeMap<String, u128>,
    /// What it owes others.
    pub owed_by_receiver: BTreeMap<String, u128>,
    /// The lanes that pay the receiver in this epoch.
    pub lanes: Vec<LaneExplanation>,
    /// Sum of what these lanes collect.
    pub lanes_collected: u128,
    /// Who approved.
    pub approvers: Vec<String>,
}

/// Takes leg number `leg` apart; `None` where there is no such leg.
#[must_use]
pub fn explain(outputs: &EpochOutputs, bundle: &ProofBundle, leg: usize) -> Option<Explanation> {
    let transfer = outputs.netting.legs.get(leg)?;
    let receiver = transfer.to;
    let positions = &outputs.positions.positions;
    let owed_to = positions.iter().filter(|p| p.creditor == receiver).map(|p| (p.debtor.to_string(), p.amount));
    let owed_by = positions.iter().filter(|p| p.debtor == receiver).map(|p| (p.creditor.to_string(), p.amount));
    let behind = Behind {
        trees: trees(outputs),
        mandates: bundle.mandate_index(),
        roots: bundle.mandates.iter().map(mandate_root).collect(),
    };
    let paying = outputs.positions.lanes.iter().filter(|line| line.payee == receiver && line.collect > 0);
    let lanes: Vec<_> = paying.map(|line| lane(outputs, bundle, &behind, line)).collect();
    Some(Explanation {
        epoch: outputs.cut_off.epoch,
        leg,
        from: transfer.from.to_string(),
        to: receiver.to_string(),
        amount: transfer.amount,
        owed_to_receiver: owed_to.collect(),
        owed_by_receiver: owed_by.collect(),
        lanes_collected: lanes.iter().map(|lane| u128::from(lane.collected)).sum(),
        lanes,
        approvers: outputs.approvals.iter().map(|row| row.approver.to_string()).collect(),
    })
}

/// What many lanes have behind them in common.
struct Behind<'a> {
    trees: BTreeMap<farthing_channel::id::EscrowId, EscrowTree>,
    mandates: MandateIndex<'a>,
    /// The root each bundle leads to; `None` for a mandate signed itself.
    roots: Vec<Option<Hash32>>,
}

/// An escrow's tree with its root and number of channels.
struct EscrowTree {
    tree: BatchTree,
    root: SumNode,
    channels: u32,
}

fn trees(outputs: &EpochOutputs) -> BTreeMap<farthing_channel::id::EscrowId, EscrowTree> {
    let built = outputs.positions.draws.iter().zip(&outputs.proposal.batches).filter_map(|(draw, batch)| {
        let tree = tree(&channel_plans(&outputs.positions.lanes, draw)?)?;
        let root = SumNode { hash: batch.root, sum: batch.total };
        (batch.root != Hash32::ZERO).then_some((draw.escrow, EscrowTree { tree, root, channels: batch.channels }))
    });
    built.collect()
}

fn lane(outputs: &EpochOutputs, bundle: &ProofBundle, behind: &Behind<'_>, line: &LaneLine) -> LaneExplanation {
    let domain = outputs.proposal.domain();
    let escrow = outputs.cut_off.ledger.escrow(&line.escrow);
    let payer_key = match (&line.cover, escrow) {
        (Cover::Lone, Some(escrow)) => escrow.signer,
        _ => line.device,
    };
    let evidence = bundle.lane(&line.lane).map(|proof| proof.evidence);
    let tree = behind.trees.get(&line.escrow);
    let mandate = match (line.cover, escrow) {
        (Cover::Mandate(facts), Some(escrow)) => behind
            .mandates
            .get(&line.escrow, &line.device, facts.serial)
            .and_then(|place| mandate(&domain, place, behind.roots.get(place.number)?.as_ref(), &escrow.signer)),
        _ => None,
    };
    LaneExplanation {
        lane: line.lane.to_string(),
        device: line.device.to_string(),
        payer: escrow.map_or_else(String::new, |escrow| escrow.payer.to_string()),
        escrow: line.escrow.to_string(),
        rating_group: line.rating_group,
        before: line.collected_before,
        collected: line.collect,
        authorised: line.authorised,
        credited: line.credited,
        proof: evidence.map(|evidence| signed_proof(&domain, line, &evidence, &payer_key)),
        tick: evidence.and_then(|evidence| tick(line, &evidence)),
        mandate,
        tree_root: tree.map(|tree| tree.root.hash.to_string()),
        in_tree: tree.map(|tree| {
            let proof = tree.tree.prove(&line.device, &line.lane);
            proof.is_some_and(|proof| proof.lane.total == line.total() && proof.leads_to(tree.channels, &tree.root))
        }),
    }
}

fn signed_proof(domain: &Domain, line: &LaneLine, evidence: &Evidence, expected: &Address) -> SignedBy {
    match evidence {
        Evidence::Voucher(voucher) => {
            let typed = Voucher { lane: line.lane, cumulative_amount: voucher.amount.into() };
            let what = format!("voucher of {} base units", voucher.amount);
            SignedBy::new(&what, &domain.digest(&typed), &voucher.signature, expected)
        }
        Evidence::Tick(tick) => {
            let digest = domain.digest(&tick.anchor.terms.typed(&line.lane));
            let what = format!("anchor of a chain of {} ticks", tick.anchor.terms.length);
            SignedBy::new(&what, &digest, &tick.anchor.signature, expected)
        }
    }
}

fn tick(line: &LaneLine, evidence: &Evidence) -> Option<TickView> {
    let Evidence::Tick(tick) = evidence else { return None };
    let terms = &tick.anchor.terms;
    let walked = farthing_channel::chain::walk(&tick.link, &line.lane.tag(), tick.index, 0);
    Some(TickView {
        index: tick.index,
        preimage: tick.link.to_string(),
        root: terms.root.to_string(),
        base_amount: terms.base_amount,
        tick_amount: terms.tick_amount,
        ticks_per_amount: terms.ticks_per_amount,
        leads_to_root: tick.index <= terms.length && walked.0 == terms.root.0,
    })
}

/// The payer's signature over a mandate, or over the `root` of the tree that the mandate is in.
fn mandate(domain: &Domain, place: &MandatePlace<'_>, root: Option<&Hash32>, signer: &Address) -> Option<SignedBy> {
    let MandatePlace { bundle, position, terms, .. } = place;
    match &bundle.authority {
        Authority::Direct { signature } => {
            let typed: Mandate = terms.typed(&bundle.escrow);
            let what = format!("mandate with serial {} and limit {}", terms.serial, terms.limit);
            Some(SignedBy::new(&what, &domain.digest(&typed), signature, signer))
        }
        Authority::Tree { signature, first_index, .. } => {
            let typed = MandateRoot { escrow: bundle.escrow, root: *root? };
            let what = format!(
                "tree of mandates, leaf {} with serial {} and limit {}",
                first_index.saturating_add(u64::try_from(*position).unwrap_or(u64::MAX)),
                terms.serial,
                terms.limit
            );
            Some(SignedBy::new(&what, &domain.digest(&typed), signature, signer))
        }
    }
}

/// The root that a bundle of a tree leads to: leaf `keccak256(00 || structHash)`, node `keccak256(01 || left || right)`,
/// padding to a power of two `keccak256(02)`, then the bundle's own path.
fn mandate_root(bundle: &MandateBundle) -> Option<Hash32> {
    let Authority::Tree { first_index, siblings, .. } = &bundle.authority else { return None };
    let node = |left: &Hash32, right: &Hash32| Hash32(keccak256(&[&[1], &left.0, &right.0]));
    let leaf = |terms: &farthing_channel::mandate::MandateTerms| {
        Hash32(keccak256(&[&[0], &terms.typed(&bundle.escrow).struct_hash()]))
    };
    let mut nodes: Vec<Hash32> = bundle.mandates.iter().map(leaf).collect();
    let width = nodes.len().next_power_of_two();
    nodes.resize(width, Hash32(keccak256(&[&[2]])));
    while nodes.len() > 1 {
        nodes = nodes.chunks_exact(2).filter_map(|pair| Some(node(pair.first()?, pair.get(1)?))).collect();
    }
    let mut hash = *nodes.first()?;
    let mut place = first_index.checked_div(u64::try_from(width).ok()?)?;
    for sibling in siblings {
        hash = if place & 1 == 0 { node(&hash, sibling) } else { node(sibling, &hash) };
        place >>= 1;
    }
    Some(hash)
}
