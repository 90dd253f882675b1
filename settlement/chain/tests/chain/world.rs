//! The same people on both ledgers.

use std::path::Path;
use std::sync::Arc;

use farthing_chain::deploy::Deployment;
use farthing_chain::{ChainConfig, ChainLedger, Finality, TransactionSigner};
use farthing_channel::eip712::{TypedData, Voucher};
use farthing_channel::id::{Address, ChannelId, EscrowId, EscrowTerms, Hash32, LaneId, RatingGroup};
use farthing_channel::lane::{Evidence, SignedVoucher};
use farthing_channel::mandate::{MandateTerms, sign_mandates};
use farthing_channel::sign::{LibSecpKey, Signature, Signer as _, sign_typed};
use farthing_channel::time::UnixSeconds;
use farthing_ledger::tree::{BatchTree, LaneLeaf};
use farthing_ledger::*;
use tempfile::TempDir;

use crate::anvil::Anvil;

pub(crate) const HUB: u8 = 1;
pub(crate) const PROVIDERS: [u8; 2] = [2, 3];
pub(crate) const PAYERS: [u8; 2] = [4, 5];
pub(crate) const APPROVERS: [u8; 2] = [6, 7];
pub(crate) const SENDER: u8 = 8;
/// Approvers that a participant may get of its own.
pub(crate) const OWN_APPROVERS: [u8; 2] = [9, 10];

pub(crate) fn key(seed: u8) -> LibSecpKey {
    LibSecpKey::from_bytes([seed; 32]).unwrap()
}

pub(crate) fn at(seed: u8) -> Address {
    key(seed).address()
}

fn keys() -> Vec<Arc<dyn TransactionSigner>> {
    let seeds = [SENDER, HUB].into_iter().chain(PAYERS);
    seeds.map(|seed| Arc::new(key(seed)) as Arc<dyn TransactionSigner>).collect()
}

/// What the leaves of one batch claim: device, total. Every device pays the first provider.
pub(crate) type Claims = Vec<(u8, u64)>;

/// A ledger and what a test knows of it.
pub(crate) struct Side {
    pub(crate) ledger: Box<dyn BaseLedger>,
    pub(crate) escrows: Vec<EscrowId>,
    references: u8,
    _folder: TempDir,
}

/// Opens the ledger on `anvil` whose files are in `folder`.
pub(crate) fn open(folder: &Path, config: &ChainConfig) -> ChainLedger {
    ChainLedger::open(config.clone(), &folder.join("ledger.redb"), &folder.join("ledger.outbox"), keys()).unwrap()
}

/// A new ledger on `anvil`, with hub and providers.
pub(crate) fn on_chain(anvil: &Anvil, folder: &Path, finality: Finality) -> ChainConfig {
    [SENDER, HUB].into_iter().chain(PAYERS).for_each(|seed| anvil.fund(&at(seed)));
    let deployment = Deployment {
        rpc_url: anvil.url.clone(),
        finality: Finality::Depth(0),
        poll_interval_ms: 5,
        token: None,
        approvers: APPROVERS.map(at).to_vec(),
        bond_wei: 1_000_000,
        answer_gas_price_min_wei: 1,
        decimals: 6,
    };
    let deployer: Arc<dyn TransactionSigner> = Arc::new(key(SENDER));
    let mirror = folder.join("ledger.redb");
    let mut config = deployment.make(&mirror, &folder.join("ledger.outbox"), &deployer).unwrap();
    config.patience_polls = 400;
    let ledger = open(folder, &config);
    let side = Side::over(ledger);
    for seed in [HUB].into_iter().chain(PROVIDERS) {
        let kind = if seed == HUB { AccountKind::Hub } else { AccountKind::Provider };
        let operation = RegisterAccount { account: at(seed), kind, label: label(seed), revision: 1 };
        side.submit(SignedOperation::RegisterAccount(side.approve(operation)), UnixSeconds(0)).unwrap();
    }
    open(folder, &config).name_vault(&at(HUB)).unwrap();
    config.finality = finality;
    config
}

fn label(seed: u8) -> String {
    format!("account {seed}")
}

impl Side {
    pub(crate) fn embedded(now: UnixSeconds) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let account = |(seed, kind): (u8, AccountKind)| GenesisAccount { address: at(seed), kind, label: label(seed) };
        let providers = PROVIDERS.map(|seed| (seed, AccountKind::Provider));
        let accounts: Vec<_> = [(HUB, AccountKind::Hub)].into_iter().chain(providers).map(account).collect();
        let path = folder.path().join("ledger.redb");
        let ledger = EmbeddedLedger::genesis(path, &APPROVERS.map(at), &accounts, now).unwrap();
        Self { ledger: Box::new(ledger), escrows: Vec::new(), references: 0, _folder: folder }
    }

    /// A ledger whose files somebody else keeps.
    pub(crate) fn over(ledger: ChainLedger) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { ledger: Box::new(ledger), escrows: Vec::new(), references: 0, _folder: folder }
    }

    pub(crate) fn chain(anvil: &Anvil) -> (Self, ChainConfig) {
        let folder = tempfile::tempdir().unwrap();
        let config = on_chain(anvil, folder.path(), Finality::Depth(0));
        let ledger = open(folder.path(), &config);
        (Self { ledger: Box::new(ledger), escrows: Vec::new(), references: 0, _folder: folder }, config)
    }

    pub(crate) fn submit(&self, operation: SignedOperation, now: UnixSeconds) -> Result<Vec<LoggedEvent>, LedgerError> {
        self.ledger.submit(&operation, now)
    }

    fn sign<T: TypedData>(&self, seed: u8, operation: T) -> Signed<T> {
        Signed::sign(&key(seed), &self.ledger.identity().domain(), operation).unwrap()
    }

    pub(crate) fn approve<T: TypedData>(&self, operation: T) -> Approved<T> {
        let domain = self.ledger.identity().net_domain();
        let [first, second] = APPROVERS.map(|seed| sign_typed(&key(seed), &domain, &operation).unwrap());
        Approved::new(operation, first, second)
    }

    /// The account's own approvers, where it has some.
    fn own_approvers(&self, account: &Address) -> Option<[u8; 2]> {
        (!self.ledger.account(account).unwrap().approvers().is_empty()).then_some(OWN_APPROVERS)
    }

    fn signatures<T: TypedData>(&self, by: [u8; 2], operation: &T) -> [Signature; 2] {
        let domain = self.ledger.identity().net_domain();
        by.map(|seed| sign_typed(&key(seed), &domain, operation).unwrap())
    }

    /// Approves what is about one participant.
    fn approve_for<T: TypedData>(&self, account: &Address, operation: T) -> Approved<T> {
        let [first, second] = self.signatures(self.own_approvers(account).unwrap_or(APPROVERS), &operation);
        Approved::new(operation, first, second)
    }

    pub(crate) fn set_participant(&self, seed: u8, net_debit_cap: u64, own: bool) -> SignedOperation {
        let account = at(seed);
        let mut approvers = if own { OWN_APPROVERS.map(at).to_vec() } else { Vec::new() };
        approvers.sort_unstable();
        let settings = self.ledger.account(&account).unwrap().settings;
        let revision = settings.map_or(0, |settings| settings.revision) + 1;
        let wanted = SetParticipant { account, net_debit_cap, approvers, revision };
        SignedOperation::SetParticipant(self.approve_for(&account, wanted))
    }

    pub(crate) fn issue(&mut self, seed: u8, amount: u64) -> SignedOperation {
        self.references += 1;
        let reference = Hash32([self.references; 32]);
        SignedOperation::Issue(self.approve(Issue { reference, account: at(seed), amount }))
    }

    /// Opens one more escrow, whose place among the escrows it takes.
    pub(crate) fn open(&mut self, payer: u8, deposit: u64) -> SignedOperation {
        let salt = Hash32([u8::try_from(self.escrows.len()).unwrap(); 32]);
        let identity = self.ledger.identity();
        let (payee, token) = (at(HUB), identity.token());
        let terms = EscrowTerms { payer: at(payer), payee, token, salt, authorized_signer: Address::ZERO };
        self.escrows.push(terms.id(&identity.contract, identity.chain_id));
        SignedOperation::OpenEscrow(self.sign(payer, OpenEscrow { terms, deposit: deposit.into() }))
    }

    fn counter(&self, escrow: &EscrowId) -> u64 {
        self.ledger.escrow(escrow).unwrap().map_or(1, |escrow| escrow.payer_operations + 1)
    }

    pub(crate) fn top_up(&self, escrow: usize, payer: u8, amount: u64) -> SignedOperation {
        let escrow = self.escrows[escrow];
        SignedOperation::TopUp(
            self.sign(payer, TopUp { escrow, counter: self.counter(&escrow), amount: amount.into() }),
        )
    }

    pub(crate) fn request_close(&self, escrow: usize, payer: u8) -> SignedOperation {
        let escrow = self.escrows[escrow];
        SignedOperation::RequestClose(self.sign(payer, RequestClose { escrow, counter: self.counter(&escrow) }))
    }

    pub(crate) fn withdraw(&self, escrow: usize, payer: u8) -> SignedOperation {
        let escrow = self.escrows[escrow];
        SignedOperation::Withdraw(self.sign(payer, Withdraw { escrow, counter: self.counter(&escrow) }))
    }

    pub(crate) fn revoke(&self, escrow: usize, payer: u8, device: u8, serial: u64) -> SignedOperation {
        let operation = RevokeMandate { escrow: self.escrows[escrow], device: at(device), serial };
        SignedOperation::RevokeMandate(self.sign(payer, operation))
    }

    pub(crate) fn close(&self, escrow: usize, payer: u8, total: u64) -> SignedOperation {
        let escrow = self.escrows[escrow];
        let voucher = self.voucher(payer, LaneId::of_escrow(&escrow), total);
        let voucher = voucher.signature.check().unwrap();
        SignedOperation::CloseEscrow { close: self.sign(HUB, CloseEscrow { escrow, total }), voucher: Some(voucher) }
    }

    fn voucher(&self, seed: u8, lane: LaneId, amount: u64) -> SignedVoucher {
        let typed = Voucher { lane, cumulative_amount: amount.into() };
        let signature = sign_typed(&key(seed), &self.ledger.identity().domain(), &typed).unwrap();
        SignedVoucher { amount, signature: signature.into() }
    }

    fn settled(&self, escrow: &EscrowId) -> u64 {
        self.ledger.escrow(escrow).unwrap().map_or(0, |escrow| escrow.settled)
    }

    /// A batch that the payer has signed for as a whole.
    pub(crate) fn agreed(&self, escrow: usize, payer: u8, total: u64, epoch: u64) -> SignedOperation {
        let escrow = self.escrows[escrow];
        let order = SettleBatch {
            escrow,
            prev_settled: self.settled(&escrow),
            total,
            root: Hash32::ZERO,
            channels: 0,
            lanes: 0,
            journal_root: Hash32([9; 32]),
            epoch,
        };
        let evidence = Evidence::Voucher(self.voucher(payer, LaneId::of_escrow(&escrow), total));
        let proof = BatchProof::Signer(evidence);
        SignedOperation::SettleBatch(Box::new(SettlementBatch { order: self.sign(HUB, order), proof }))
    }

    /// A batch of leaves with all their proofs.
    pub(crate) fn leaves(&self, escrow: usize, payer: u8, claims: &Claims, epoch: u64) -> SignedOperation {
        let id = self.escrows[escrow];
        let mut devices: Vec<_> = claims.clone();
        devices.sort_by_key(|(device, _)| at(*device));
        let terms = |device: &u8| MandateTerms {
            device: at(*device),
            limit: 1_000_000,
            expiry: UnixSeconds(u64::from(u32::MAX)),
            serial: 1,
            payees: Vec::new(),
        };
        let mandates: Vec<_> = devices.iter().map(|(device, _)| terms(device)).collect();
        let bundles = sign_mandates(&key(payer), &self.ledger.identity().domain(), id, &mandates).unwrap();
        let mut tree = BatchTree::default();
        let mut channels = Vec::new();
        for ((device, total), mandate) in devices.iter().zip(&mandates) {
            let (payee, rating_group) = (at(PROVIDERS[0]), RatingGroup(1));
            let lane = LaneId::derive(&ChannelId::derive(&id, &at(*device)), &payee, rating_group);
            let leaf = LaneLeaf { lane, payee, rating_group, total: *total };
            tree.push(mandate.device, mandate.limit, mandate.expiry, 1, vec![leaf]).unwrap();
            let grew = self.ledger.lane_settled(&lane).unwrap() < *total;
            let evidence = grew.then(|| Evidence::Voucher(self.voucher(*device, lane, *total)));
            let lanes = vec![LaneClaim { payee, rating_group, total: *total, evidence }];
            channels.push(ChannelClaim { device: mandate.device, serial: 1, lanes });
        }
        let root = tree.root().unwrap();
        let count = u32::try_from(channels.len()).unwrap();
        let order = SettleBatch {
            escrow: id,
            prev_settled: self.settled(&id),
            total: root.sum,
            root: root.hash,
            channels: count,
            lanes: count,
            journal_root: Hash32([9; 32]),
            epoch,
        };
        let proof = BatchProof::Leaves(LeafSet { mandates: bundles, channels });
        SignedOperation::SettleBatch(Box::new(SettlementBatch { order: self.sign(HUB, order), proof }))
    }

    pub(crate) fn transfers(&self, epoch: u64, amounts: [u64; 2]) -> SignedOperation {
        let leg = |(seed, amount): (u8, u64)| Leg { from: at(HUB), to: at(seed), amount };
        let legs = PROVIDERS.into_iter().zip(amounts).filter(|(_, amount)| *amount > 0).map(leg).collect();
        let proposal = Hash32([u8::try_from(epoch % 250).unwrap() + 1; 32]);
        let batch = TransferBatch { proposal, epoch, legs };
        let own = self.own_approvers(&at(HUB));
        let own = own.map(|by| ParticipantApproval { account: at(HUB), approvals: self.signatures(by, &batch) });
        SignedOperation::TransferBatch { batch: self.approve(batch), participants: own.into_iter().collect() }
    }

    pub(crate) fn close_epoch(&self, epoch: u64) -> SignedOperation {
        let cursor = JournalCursor { thread: 0, term: 1, sequence: epoch * 10, block_hash: Hash32([3; 32]) };
        let (hub, journal_root) = (at(HUB), Hash32([9; 32]));
        let operation = CloseEpoch { hub, epoch, proposal: Hash32::ZERO, cursors: vec![cursor], journal_root };
        SignedOperation::CloseEpoch(self.approve_for(&hub, operation))
    }

    pub(crate) fn pay_out(&self, reference: u8, amount: u64) -> SignedOperation {
        let reference = Hash32([reference; 32]);
        let account = at(PROVIDERS[0]);
        SignedOperation::Payout(self.approve_for(&account, Payout { reference, account, amount }))
    }

    /// Every event that both ledgers have, in words that hold no identity or time of either.
    pub(crate) fn story(&self) -> Vec<String> {
        let place = |id: &EscrowId| self.escrows.iter().position(|known| known == id).unwrap();
        let told = |event: &Event| match event {
            Event::EscrowOpened { escrow, payer, payee, salt, deposit, .. } => {
                Some(format!("{} opened by {payer} for {payee}, salt {salt}: {deposit}", place(escrow)))
            }
            Event::EscrowToppedUp { escrow, amount, deposit } => {
                Some(format!("{} topped up by {amount} to {deposit}", place(escrow)))
            }
            Event::EscrowCloseRequested { escrow, .. } => Some(format!("{} to be closed", place(escrow))),
            // A close names the total alone; the chain tells nothing else of it either.
            Event::EscrowSettled { escrow, payee, prev_settled, total, channels, lanes, epoch, .. } => Some(format!(
                "{} settled from {prev_settled} to {total} for {payee}, {channels} channels, {lanes} lanes, epoch {epoch}",
                place(escrow)
            )),
            Event::EscrowWithdrawn { escrow, payer, amount } => {
                Some(format!("{} withdrawn by {payer}: {amount}", place(escrow)))
            }
            Event::EscrowFinalized { escrow, settled, refunded } => {
                Some(format!("{} final at {settled}, {refunded} back", place(escrow)))
            }
            Event::MandateRevoked { escrow, device, serial } => {
                Some(format!("{} revokes {device} up to {serial}", place(escrow)))
            }
            Event::ParticipantSet { account, net_debit_cap, approvers } => {
                Some(format!("{account} may owe {net_debit_cap}, approved by {approvers:?}"))
            }
            Event::Transferred { .. } => Some(format!("{event:?}")),
            Event::EpochClosed(closed) => Some(format!("{} closed epoch {}", closed.hub, closed.epoch)),
            _ => None,
        };
        self.ledger.events(0, 10_000).unwrap().iter().filter_map(|logged| told(&logged.event)).collect()
    }
}
