//! A site with a day to settle: an embedded ledger, a fleet under mandates, and a journal of signed payments.
//!
//! Half of the lanes were paid by a voucher, half by a tick under an anchor of 1,024 links, at an index between 1 and 1,023.

use std::path::{Path, PathBuf};
use std::thread;

use anyhow::Context as _;
use farthing_channel::chain::{self, ChainPurpose};
use farthing_channel::codec::encode_into;
use farthing_channel::eip712::{Domain, Voucher};
use farthing_channel::id::{
    Address, ChannelId, EscrowId, EscrowTerms, Hash32, LaneId, RatingGroup, TariffHash, keccak256,
};
use farthing_channel::lane::{AnchorTerms, SignedAnchor, SignedVoucher};
use farthing_channel::mandate::{MandateTerms, sign_mandates};
use farthing_channel::record::{LaneImage, Record};
use farthing_channel::sign::{LibSecpKey, Signer as _, sign_typed};
use farthing_channel::time::UnixSeconds;
use farthing_ledger::{
    AccountKind, Approved, BaseLedger as _, EmbeddedLedger, GenesisAccount, Issue, LedgerView as _, OpenEscrow, Signed,
    SignedOperation,
};
use farthing_settlement::book::Book;
use farthing_settlement::meter::Unmetered;
use farthing_settlement::netting::NettingTerms;
use farthing_settlement::night::{Night, Progress, RunOptions, book_path};

use crate::journal::JournalWriter;

const NOW: UnixSeconds = UnixSeconds(1_800_000_000);
const DEPOSIT: u64 = 1 << 60;
const PROVIDERS: u64 = 100;
const CHAIN_LENGTH: u16 = 1024;
/// Lanes whose records make one block.
const LANES_PER_BLOCK: u64 = 2_048;

/// What takes part in every site of this benchmark.
#[derive(Debug)]
pub(crate) struct Site {
    folder: PathBuf,
    hub: LibSecpKey,
}

/// The key with this name and number, the same in every run.
fn key(name: &str, number: u64) -> LibSecpKey {
    let mut round = 0_u64;
    loop {
        let secret =
            keccak256(&[b"farthing/night-bench", name.as_bytes(), &number.to_be_bytes(), &round.to_be_bytes()]);
        if let Ok(key) = LibSecpKey::from_bytes(secret) {
            return key;
        }
        round += 1;
    }
}

fn signature<T: farthing_channel::eip712::TypedData>(
    key: &LibSecpKey,
    domain: &Domain,
    typed: &T,
) -> farthing_channel::sign::Signature {
    let Ok(signature) = sign_typed(key, domain, typed);
    signature
}

impl Site {
    /// The site in `folder`.
    pub(crate) fn at(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), hub: key("hub", 0) }
    }

    fn ledger_path(&self) -> PathBuf {
        self.folder.join("ledger.redb")
    }

    fn journal_path(&self) -> PathBuf {
        self.folder.join("hub").join("journal")
    }

    /// Makes the site: mandates of `lanes` devices, which an earlier night has taken in, and a payment of each.
    pub(crate) fn generate(&self, lanes: u64) -> anyhow::Result<()> {
        let (ledger, escrow) = self.make_ledger()?;
        let domain = ledger.identity().domain();
        let mut journal = JournalWriter::new(&self.journal_path(), self.hub.address())?;
        self.write_mandates(&mut journal, &domain, escrow, lanes)?;
        journal.flush()?;
        let progress = self.run_night(&ledger)?;
        anyhow::ensure!(progress == Progress::NothingToSettle, "the night of the mandates came to {progress:?}");
        let first_lanes: Vec<u64> = (0..lanes).step_by(usize::try_from(LANES_PER_BLOCK)?).collect();
        for pair in first_lanes.chunks(2) {
            let bodies: Vec<_> = thread::scope(|scope| {
                let body = |first: &u64| {
                    let end = first.saturating_add(LANES_PER_BLOCK).min(lanes);
                    let (first, domain) = (*first, &domain);
                    scope.spawn(move || payments(domain, escrow, first, end))
                };
                let workers: Vec<_> = pair.iter().map(body).collect();
                workers.into_iter().map(thread::ScopedJoinHandle::join).collect()
            });
            for body in bodies {
                let (records, body) = body.map_err(|_| anyhow::anyhow!("a worker panicked"))??;
                journal.write(records, &body, NOW.0 * 1000)?;
            }
        }
        journal.flush()
    }

    fn make_ledger(&self) -> anyhow::Result<(EmbeddedLedger, EscrowId)> {
        let approvers = [key("approver", 0), key("approver", 1)];
        let payer = key("payer", 0);
        let account = |key: &LibSecpKey, kind, label: String| GenesisAccount { address: key.address(), kind, label };
        let mut accounts = vec![account(&self.hub, AccountKind::Hub, "Hub".to_owned())];
        let provider = |n| account(&key("provider", n), AccountKind::Provider, format!("Provider {n}"));
        accounts.extend((0..PROVIDERS).map(provider));
        let addresses = approvers.each_ref().map(farthing_channel::sign::Signer::address);
        let ledger = EmbeddedLedger::genesis(self.ledger_path(), &addresses, &accounts, NOW)?;
        let domain = ledger.identity().domain();
        let issue = Issue { reference: Hash32([1; 32]), account: payer.address(), amount: DEPOSIT };
        let approvals = approvers.each_ref().map(|approver| signature(approver, &domain, &issue));
        ledger.submit(&SignedOperation::Issue(Approved { operation: issue, approvals }), NOW)?;
        let terms = EscrowTerms {
            payer: payer.address(),
            payee: self.hub.address(),
            token: Address::ZERO,
            salt: Hash32([1; 32]),
            authorized_signer: Address::ZERO,
        };
        let Ok(signed) = Signed::sign(&payer, &domain, OpenEscrow { terms, deposit: u128::from(DEPOSIT) });
        ledger.submit(&SignedOperation::OpenEscrow(signed), NOW)?;
        Ok((ledger, terms.id(&domain.contract(), domain.chain_id())))
    }

    fn write_mandates(
        &self,
        journal: &mut JournalWriter,
        domain: &Domain,
        escrow: EscrowId,
        devices: u64,
    ) -> anyhow::Result<()> {
        let terms = |device| MandateTerms {
            device: key("device", device).address(),
            limit: 1_000_000,
            expiry: UnixSeconds(NOW.0 + 1_000_000),
            serial: 1,
            payees: Vec::new(),
        };
        let terms: Vec<_> = (0..devices).map(terms).collect();
        let Ok(bundles) = sign_mandates(&key("payer", 0), domain, escrow, &terms);
        for bundles in bundles.chunks(32) {
            let mut body = Vec::new();
            bundles.iter().for_each(|bundle| encode_into(&Record::Mandates(bundle.clone()), &mut body));
            journal.write(bundles.len(), &body, NOW.0 * 1000)?;
        }
        Ok(())
    }

    /// Runs the night up to the proposal.
    pub(crate) fn settle(&self) -> anyhow::Result<(u64, Progress)> {
        let ledger = EmbeddedLedger::open(self.ledger_path())?;
        let progress = self.run_night(&ledger)?;
        let Progress::NeedsApprovals { epoch, .. } = progress else {
            anyhow::bail!("a proposal was expected, not {progress:?}");
        };
        Ok((epoch, progress))
    }

    fn run_night(&self, ledger: &EmbeddedLedger) -> anyhow::Result<Progress> {
        let book = Book::open(&book_path(&self.folder.join("settlement")))?;
        let night = Night {
            book: &book,
            ledger,
            hub: self.hub.address(),
            journal: self.journal_path(),
            hub_key: None,
            now: NOW,
            terms: NettingTerms::default(),
            meter: &Unmetered,
        };
        Ok(night.run(&RunOptions::default())?)
    }

    /// What the proposal of `epoch` collects, and from how many lanes.
    pub(crate) fn proposed(&self, epoch: u64) -> anyhow::Result<(u128, u32, usize)> {
        let book = Book::open(&book_path(&self.folder.join("settlement")))?;
        let outputs = farthing_settlement::night::outputs_of(&book, epoch)?.context("there is no proposal")?;
        let lanes = outputs.proposal.batches.iter().map(|batch| batch.lanes).sum();
        Ok((outputs.proposal.collected(), lanes, outputs.cut_off.disputes.len()))
    }
}

/// What the fleet pays in all, base units.
pub(crate) fn expected(lanes: u64) -> u128 {
    (0..lanes).map(|lane| u128::from(amount(lane))).sum()
}

/// What a lane pays: a voucher's amount, or as many ticks of one base unit. The mean is 512.
fn amount(lane: u64) -> u64 {
    1 + (lane / 2).wrapping_mul(0x9e37_79b9_7f4a_7c15) % 1_023
}

/// The records of the lanes from `first` to before `end`.
fn payments(domain: &Domain, escrow: EscrowId, first: u64, end: u64) -> anyhow::Result<(usize, Vec<u8>)> {
    let providers: Vec<Address> = (0..PROVIDERS).map(|n| key("provider", n).address()).collect();
    let (mut records, mut body) = (0, Vec::new());
    for number in first..end {
        let device = key("device", number);
        let payee = *providers.get(usize::try_from(number % PROVIDERS)?).context("no provider")?;
        let channel = ChannelId::derive(&escrow, &device.address());
        let rating_group = RatingGroup(1);
        let lane = LaneId::derive(&channel, &payee, rating_group);
        let image = LaneImage {
            lane,
            escrow,
            device: device.address(),
            payee,
            rating_group,
            tariff: TariffHash::ZERO,
            tariff_base_amount: 0,
            tariff_base_units: 0,
        };
        encode_into(&Record::Lane(image), &mut body);
        if number % 2 == 0 {
            encode_into(&voucher(&device, domain, lane, amount(number)), &mut body);
            records += 2;
        } else {
            let index = u16::try_from(amount(number))?;
            ticks(&device, domain, lane, index).iter().for_each(|record| encode_into(record, &mut body));
            records += 3;
        }
    }
    Ok((records, body))
}

fn voucher(device: &LibSecpKey, domain: &Domain, lane: LaneId, amount: u64) -> Record {
    let signature = signature(device, domain, &Voucher { lane, cumulative_amount: amount.into() }).into();
    Record::Voucher { lane, voucher: SignedVoucher { amount, signature } }
}

fn ticks(device: &LibSecpKey, domain: &Domain, lane: LaneId, index: u16) -> [Record; 2] {
    let purpose = ChainPurpose {
        lane,
        base_amount: 0,
        base_ticks: 0,
        tick_amount: 1,
        ticks_per_amount: 1,
        length: CHAIN_LENGTH,
        tariff: TariffHash::ZERO,
    };
    let tag = lane.tag();
    let link = chain::walk(&chain::seed(&device.secret_bytes(), domain, &purpose), &tag, CHAIN_LENGTH, index);
    let root = chain::walk(&link, &tag, index, 0);
    let terms = AnchorTerms::of_chain(&purpose, Hash32(root.0));
    let signature = signature(device, domain, &terms.typed(&lane)).into();
    [
        Record::Anchor { lane, anchor: SignedAnchor { terms, signature } },
        Record::Tick { lane, anchor: terms.tag(), index, link },
    ]
}
