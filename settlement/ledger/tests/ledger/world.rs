//! A ledger with a hub, two providers, two payers and three approvers.

use farthing_channel::eip712::{Domain, TypedData, Voucher};
use farthing_channel::id::{Address, ChannelId, EscrowId, EscrowTerms, Hash32, LaneId, RatingGroup};
use farthing_channel::lane::{Evidence, SignedVoucher};
use farthing_channel::mandate::{MandateBundle, MandateTerms, sign_mandate};
use farthing_channel::sign::{LibSecpKey, Signer, sign_typed};
use farthing_channel::time::UnixSeconds;
use farthing_ledger::tree::{BatchTree, LaneLeaf};
use farthing_ledger::*;

pub(crate) const NOW: UnixSeconds = UnixSeconds(1_000_000);
pub(crate) const HOUR: u64 = 3600;
pub(crate) const APPROVER_1: u8 = 1;
pub(crate) const APPROVER_2: u8 = 2;
pub(crate) const APPROVER_3: u8 = 3;
pub(crate) const PAYER: u8 = 10;
pub(crate) const OTHER_PAYER: u8 = 11;
pub(crate) const SIGNER: u8 = 12;
pub(crate) const HUB: u8 = 20;
pub(crate) const PROVIDER: u8 = 30;
pub(crate) const OTHER_PROVIDER: u8 = 31;
pub(crate) const DEVICE: u8 = 40;
pub(crate) const OTHER_DEVICE: u8 = 41;

pub(crate) fn key(seed: u8) -> LibSecpKey {
    LibSecpKey::from_bytes([seed; 32]).unwrap()
}

pub(crate) fn at(seed: u8) -> Address {
    key(seed).address()
}

pub(crate) fn later(hours: u64) -> UnixSeconds {
    UnixSeconds(NOW.0 + hours * HOUR)
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) ledger: EmbeddedLedger,
    pub(crate) domain: Domain,
}

pub(crate) fn accounts() -> Vec<GenesisAccount> {
    [
        (HUB, AccountKind::Hub, "Hub"),
        (PROVIDER, AccountKind::Provider, "Grid"),
        (OTHER_PROVIDER, AccountKind::Provider, "Air"),
    ]
    .map(|(seed, kind, label)| GenesisAccount { address: at(seed), kind, label: label.to_owned() })
    .to_vec()
}

impl World {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ledger.redb");
        let approvers = [APPROVER_1, APPROVER_2, APPROVER_3].map(at);
        let ledger = EmbeddedLedger::genesis(path, &approvers, &accounts(), NOW).unwrap();
        let domain = ledger.identity().domain();
        Self { directory, ledger, domain }
    }

    /// A ledger whose payer has 1000 in its account and an escrow of 600 in favour of the hub.
    pub(crate) fn funded() -> (Self, EscrowId) {
        let world = Self::new();
        world.issue(1, PAYER, 1000).unwrap();
        let escrow = world.open(PAYER, 1, 600).unwrap();
        (world, escrow)
    }

    pub(crate) fn sign<T: TypedData>(&self, seed: u8, operation: T) -> Signed<T> {
        Signed::sign(&key(seed), &self.domain, operation).unwrap()
    }

    pub(crate) fn approve_by<T: TypedData>(&self, first: u8, second: u8, operation: T) -> Approved<T> {
        let [first, second] = [first, second].map(|seed| sign_typed(&key(seed), &self.domain, &operation).unwrap());
        Approved::new(operation, first, second)
    }

    pub(crate) fn approve<T: TypedData>(&self, operation: T) -> Approved<T> {
        self.approve_by(APPROVER_1, APPROVER_2, operation)
    }

    /// A batch of transfers under approvals of the ledger's approvers alone.
    pub(crate) fn transfers(&self, batch: TransferBatch) -> SignedOperation {
        SignedOperation::TransferBatch { batch: self.approve(batch), participants: Vec::new() }
    }

    /// Carries out an operation; a refusal must change nothing, and what is done must add up.
    pub(crate) fn submit(&self, operation: &SignedOperation, now: UnixSeconds) -> Result<Vec<Event>, LedgerRefusal> {
        let before = (self.ledger.heads().unwrap(), self.ledger.accounts().unwrap(), self.ledger.escrows().unwrap());
        match self.ledger.submit(operation, now) {
            Ok(logged) => {
                self.ledger.audit().unwrap();
                assert_eq!(logged, self.ledger.events(before.0.head, 100).unwrap());
                Ok(logged.into_iter().map(|logged| logged.event).collect())
            }
            Err(error) => {
                let after =
                    (self.ledger.heads().unwrap(), self.ledger.accounts().unwrap(), self.ledger.escrows().unwrap());
                assert_eq!(before, after, "a refused operation changed something");
                Err(error.refusal().unwrap_or_else(|| panic!("{error}")))
            }
        }
    }

    pub(crate) fn issue(&self, reference: u8, to: u8, amount: u64) -> Result<Vec<Event>, LedgerRefusal> {
        let issue = Issue { reference: Hash32([reference; 32]), account: at(to), amount };
        self.submit(&SignedOperation::Issue(self.approve(issue)), NOW)
    }

    pub(crate) fn terms(&self, payer: u8, salt: u8) -> EscrowTerms {
        EscrowTerms {
            payer: at(payer),
            payee: at(HUB),
            token: Address::ZERO,
            salt: Hash32([salt; 32]),
            authorized_signer: at(SIGNER),
        }
    }

    pub(crate) fn open(&self, payer: u8, salt: u8, deposit: u128) -> Result<EscrowId, LedgerRefusal> {
        let terms = self.terms(payer, salt);
        let operation = SignedOperation::OpenEscrow(self.sign(payer, OpenEscrow { terms, deposit }));
        self.submit(&operation, NOW)?;
        Ok(terms.id(&self.domain.contract(), self.domain.chain_id()))
    }

    pub(crate) fn escrow(&self, id: &EscrowId) -> Escrow {
        self.ledger.escrow(id).unwrap().unwrap()
    }

    pub(crate) fn balance(&self, seed: u8) -> u64 {
        self.ledger.account(&at(seed)).unwrap().balance
    }

    /// A voucher on the escrow id by the escrow's signer.
    pub(crate) fn countersign(&self, escrow: &EscrowId, total: u64) -> Evidence {
        self.voucher(SIGNER, LaneId::of_escrow(escrow), total)
    }

    pub(crate) fn voucher(&self, seed: u8, lane: LaneId, amount: u64) -> Evidence {
        let typed = Voucher { lane, cumulative_amount: u128::from(amount) };
        let signature = sign_typed(&key(seed), &self.domain, &typed).unwrap().into();
        Evidence::Voucher(SignedVoucher { amount, signature })
    }

    /// A batch proven by the signer alone.
    pub(crate) fn signer_batch(&self, escrow: EscrowId, prev_settled: u64, total: u64) -> SettlementBatch {
        let order = self.sign(HUB, order(escrow, prev_settled, total));
        SettlementBatch { order, proof: BatchProof::Signer(self.countersign(&escrow, total)) }
    }

    pub(crate) fn settle(&self, batch: SettlementBatch, now: UnixSeconds) -> Result<Vec<Event>, LedgerRefusal> {
        self.submit(&SignedOperation::SettleBatch(Box::new(batch)), now)
    }

    pub(crate) fn mandate(&self, escrow: EscrowId, device: u8, serial: u64, limit: u128) -> MandateBundle {
        self.mandate_for(
            escrow,
            MandateTerms { device: at(device), limit, expiry: later(1000), serial, payees: vec![] },
        )
    }

    pub(crate) fn mandate_for(&self, escrow: EscrowId, terms: MandateTerms) -> MandateBundle {
        sign_mandate(&key(SIGNER), &self.domain, escrow, terms).unwrap()
    }

    /// A lane's claim with the device's voucher for exactly its total.
    pub(crate) fn lane(&self, escrow: EscrowId, device: u8, payee: u8, group: u32, total: u64) -> LaneClaim {
        let lane = lane_id(escrow, device, payee, group);
        let evidence = Some(self.voucher(device, lane, total));
        LaneClaim { payee: at(payee), rating_group: RatingGroup(group), total, evidence }
    }

    /// Signs a batch of leaves; `known` are mandates that the ledger remembers.
    pub(crate) fn leaf_batch(
        &self,
        escrow: EscrowId,
        prev_settled: u64,
        mut leaves: LeafSet,
        known: &[MandateBundle],
    ) -> SettlementBatch {
        leaves.channels.sort_by_key(|channel| channel.device);
        let mut tree = BatchTree::default();
        let mut lanes = 0;
        for channel in &mut leaves.channels {
            let id = ChannelId::derive(&escrow, &channel.device);
            let leaf = |claim: &LaneClaim| LaneId::derive(&id, &claim.payee, claim.rating_group);
            channel.lanes.sort_by_key(leaf);
            let terms = leaves.mandates.iter().chain(known).flat_map(|bundle| &bundle.mandates);
            let terms = terms.clone().find(|terms| (terms.device, terms.serial) == (channel.device, channel.serial));
            let (limit, expiry) = terms.map_or((0, NOW), |terms| (terms.limit, terms.expiry));
            let claims = channel.lanes.iter().map(|claim| LaneLeaf {
                lane: leaf(claim),
                payee: claim.payee,
                rating_group: claim.rating_group,
                total: claim.total,
            });
            lanes += u32::try_from(claims.len()).unwrap();
            tree.push(channel.device, limit, expiry, channel.serial, claims.collect()).unwrap();
        }
        let root = tree.root().unwrap();
        let order = SettleBatch {
            root: root.hash,
            channels: u32::try_from(leaves.channels.len()).unwrap(),
            lanes,
            ..order(escrow, prev_settled, root.sum)
        };
        SettlementBatch { order: self.sign(HUB, order), proof: BatchProof::Leaves(leaves) }
    }
}

pub(crate) fn lane_id(escrow: EscrowId, device: u8, payee: u8, group: u32) -> LaneId {
    LaneId::derive(&ChannelId::derive(&escrow, &at(device)), &at(payee), RatingGroup(group))
}

pub(crate) fn channel(device: u8, serial: u64, lanes: Vec<LaneClaim>) -> ChannelClaim {
    ChannelClaim { device: at(device), serial, lanes }
}

fn order(escrow: EscrowId, prev_settled: u64, total: u64) -> SettleBatch {
    SettleBatch {
        escrow,
        prev_settled,
        total,
        root: Hash32::ZERO,
        channels: 0,
        lanes: 0,
        journal_root: Hash32([0x10; 32]),
        epoch: 1,
    }
}
