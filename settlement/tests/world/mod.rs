//! A small world to settle: an embedded ledger, a hub's journal written with the real codecs, fleets and providers.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use farthing_channel::chain::{self, ChainPurpose, DeviceChain};
use farthing_channel::codec::encode_into;
use farthing_channel::eip712::{Domain, Report, TypedData, Voucher};
use farthing_channel::id::{Address, ChannelId, EscrowId, EscrowTerms, Hash32, LaneId, RatingGroup, TariffHash};
use farthing_channel::lane::{AnchorTerms, SignedAnchor, SignedVoucher};
use farthing_channel::mandate::{MandateTerms, sign_mandates};
use farthing_channel::record::block::{BlockHeader, ChainCursor, encode_block};
use farthing_channel::record::segment::{BLOCKS_OFFSET, SegmentHeader};
use farthing_channel::record::{LaneImage, Record};
use farthing_channel::sign::{LibSecpKey, Signer as _, sign_typed};
use farthing_channel::time::UnixSeconds;
use farthing_channel::wire::SignedReport;
use farthing_ledger::{
    AccountKind, Approved, BaseLedger as _, EmbeddedLedger, GenesisAccount, Issue, LedgerView as _, OpenEscrow, Signed,
    SignedOperation,
};
use farthing_settlement::approval::Approvers;
use farthing_settlement::book::Book;
use farthing_settlement::meter::Unmetered;
use farthing_settlement::netting::NettingTerms;
use farthing_settlement::night::{EpochOutputs, Night, Progress, RunOptions, book_path};

pub const NOW: UnixSeconds = UnixSeconds(1_800_000_000);

pub fn key(number: u16) -> LibSecpKey {
    let mut secret = [0x11; 32];
    secret[..2].copy_from_slice(&number.to_be_bytes());
    LibSecpKey::from_bytes(secret).unwrap()
}

/// Writes a hub's journal block by block.
pub struct Journal {
    pub directory: PathBuf,
    pub hub: Address,
    pub cursor: ChainCursor,
    /// The term of the blocks that are written next.
    pub term: u64,
    /// Their time, Unix milliseconds.
    pub unix_ms: u64,
    segment: PathBuf,
    offset: usize,
}

/// A journal's files and end at some moment.
pub struct JournalCopy {
    files: Vec<(PathBuf, Vec<u8>)>,
    cursor: ChainCursor,
    segment: PathBuf,
    offset: usize,
}

impl Journal {
    pub fn new(directory: &Path, hub: Address) -> Self {
        std::fs::create_dir_all(directory).unwrap();
        let cursor = ChainCursor::genesis(&hub.0, 0);
        let mut journal = Self {
            directory: directory.to_owned(),
            hub,
            cursor,
            segment: PathBuf::new(),
            offset: 0,
            term: 1,
            unix_ms: NOW.0 * 1000,
        };
        journal.roll();
        journal
    }

    /// Begins a new segment.
    pub fn roll(&mut self) {
        let header = SegmentHeader {
            hub: self.hub.0,
            thread: 0,
            first_sequence: self.cursor.sequence + 1,
            previous_hash: self.cursor.hash,
        };
        let mut bytes = header.encode().to_vec();
        bytes.resize(BLOCKS_OFFSET + 64 * 1024, 0);
        self.segment = self.directory.join(header.name().file_name());
        std::fs::write(&self.segment, bytes).unwrap();
        self.offset = BLOCKS_OFFSET;
    }

    /// Appends one block with these records.
    pub fn write(&mut self, records: &[Record]) {
        let mut body = Vec::new();
        records.iter().for_each(|record| encode_into(record, &mut body));
        let header = BlockHeader {
            thread: 0,
            term: self.term,
            sequence: self.cursor.sequence + 1,
            unix_ms: self.unix_ms,
            record_count: u32::try_from(records.len()).unwrap(),
            previous_hash: self.cursor.hash,
        };
        let mut block = Vec::new();
        let hash = encode_block(&header, &body, &mut block).unwrap();
        let mut bytes = std::fs::read(&self.segment).unwrap();
        let end = self.offset + block.len();
        bytes.resize(bytes.len().max(end + 4096), 0);
        bytes[self.offset..end].copy_from_slice(&block);
        std::fs::write(&self.segment, bytes).unwrap();
        self.offset = end;
        self.cursor = ChainCursor { term: self.term, sequence: header.sequence, hash };
    }

    /// A backup.
    pub fn copy(&self) -> JournalCopy {
        let read = |path: PathBuf| {
            let bytes = std::fs::read(&path).unwrap();
            (path, bytes)
        };
        let files = std::fs::read_dir(&self.directory).unwrap().map(|entry| read(entry.unwrap().path())).collect();
        JournalCopy { files, cursor: self.cursor, segment: self.segment.clone(), offset: self.offset }
    }

    /// Puts a backup back in place of whatever there is, as an operator does while the hub is down.
    pub fn put_back(&mut self, copy: &JournalCopy) {
        std::fs::remove_dir_all(&self.directory).unwrap();
        std::fs::create_dir_all(&self.directory).unwrap();
        copy.files.iter().for_each(|(path, bytes)| std::fs::write(path, bytes).unwrap());
        self.cursor = copy.cursor;
        self.segment = copy.segment.clone();
        self.offset = copy.offset;
    }

    /// Begins a term, as a hub does when it starts.
    pub fn begin_term(&mut self, term: u64) {
        self.term = term;
        self.write(&[Record::Term { term, at: NOW, restored: true }]);
    }
}

/// A lane a device pays on.
pub struct Lane {
    pub image: LaneImage,
    pub device: LibSecpKey,
}

pub struct World {
    pub directory: tempfile::TempDir,
    pub ledger: EmbeddedLedger,
    pub domain: Domain,
    pub journal: Journal,
    pub hub: LibSecpKey,
    pub approvers: [LibSecpKey; 2],
    pub providers: Vec<LibSecpKey>,
    pub payer: LibSecpKey,
    references: u8,
}

impl World {
    /// A ledger with a hub and `providers` providers, and an empty journal.
    pub fn new(providers: u16) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let hub = key(1);
        let approvers = [key(2), key(3)];
        let payer = key(4);
        let providers: Vec<_> = (0..providers).map(|n| key(100 + n)).collect();
        let mut accounts =
            vec![GenesisAccount { address: hub.address(), kind: AccountKind::Hub, label: "Harbour hub".into() }];
        accounts.extend(providers.iter().enumerate().map(|(n, provider)| GenesisAccount {
            address: provider.address(),
            kind: AccountKind::Provider,
            label: format!("Provider {}", n + 1),
        }));
        let path = directory.path().join("ledger.redb");
        let addresses: Vec<_> = approvers.iter().map(|approver| approver.address()).collect();
        let ledger = EmbeddedLedger::genesis(path, &addresses, &accounts, NOW).unwrap();
        let domain = ledger.identity().domain();
        let journal = Journal::new(&directory.path().join("hub").join("journal"), hub.address());
        Self { directory, ledger, domain, journal, hub, approvers, providers, payer, references: 0 }
    }

    pub fn settlement(&self) -> PathBuf {
        self.directory.path().join("settlement")
    }

    pub fn book(&self) -> Book {
        Book::open(&book_path(&self.settlement())).unwrap()
    }

    pub fn night<'a>(&'a self, book: &'a Book) -> Night<'a> {
        Night {
            book,
            ledger: &self.ledger,
            hub: self.hub.address(),
            journal: self.journal.directory.clone(),
            hub_key: Some(&self.hub),
            now: NOW,
            terms: NettingTerms::default(),
            meter: &Unmetered,
        }
    }

    /// Whose approvals the epoch's proposal needs.
    pub fn whose(&self, outputs: &EpochOutputs) -> Approvers {
        Approvers::of(&self.ledger, &outputs.proposal).unwrap()
    }

    /// `operation` under the signatures of `by`.
    pub fn approved<T: TypedData>(&self, by: [&LibSecpKey; 2], operation: T) -> Approved<T> {
        let approvals = by.map(|key| {
            let Ok(signature) = sign_typed(key, &self.domain, &operation);
            signature
        });
        Approved { operation, approvals }
    }

    /// Gives `account` money.
    pub fn issue(&mut self, account: Address, amount: u64) {
        self.references += 1;
        let issue = Issue { reference: Hash32([self.references; 32]), account, amount };
        let approved = self.approved(self.approvers.each_ref(), issue);
        self.ledger.submit(&SignedOperation::Issue(approved), NOW).unwrap();
    }

    /// Opens an escrow of `payer` with freshly issued money.
    pub fn escrow(&mut self, payer: &LibSecpKey, deposit: u64) -> EscrowId {
        self.issue(payer.address(), deposit);
        let terms = EscrowTerms {
            payer: payer.address(),
            payee: self.hub.address(),
            token: Address::ZERO,
            salt: Hash32([self.references; 32]),
            authorized_signer: Address::ZERO,
        };
        let operation = OpenEscrow { terms, deposit: u128::from(deposit) };
        let Ok(signed) = Signed::sign(payer, &self.domain, operation);
        self.ledger.submit(&SignedOperation::OpenEscrow(signed), NOW).unwrap();
        terms.id(&self.domain.contract(), self.domain.chain_id())
    }

    /// Mandates for `devices`, as records.
    pub fn mandates(
        &self,
        payer: &LibSecpKey,
        escrow: EscrowId,
        devices: &[u16],
        limit: u128,
        serial: u64,
    ) -> Vec<Record> {
        let terms: Vec<_> = devices
            .iter()
            .map(|device| MandateTerms {
                device: key(*device).address(),
                limit,
                expiry: UnixSeconds(NOW.0 + 1_000_000),
                serial,
                payees: Vec::new(),
            })
            .collect();
        let Ok(bundles) = sign_mandates(payer, &self.domain, escrow, &terms);
        bundles.into_iter().map(Record::Mandates).collect()
    }

    /// A lane from `device` to provider `provider`, with the record that opens it.
    pub fn lane(&self, escrow: EscrowId, device: u16, provider: usize, group: u32) -> (Lane, Record) {
        let device = key(device);
        let payee = self.providers[provider].address();
        let channel = ChannelId::derive(&escrow, &device.address());
        let image = LaneImage {
            lane: LaneId::derive(&channel, &payee, RatingGroup(group)),
            escrow,
            device: device.address(),
            payee,
            rating_group: RatingGroup(group),
            tariff: TariffHash::ZERO,
            tariff_base_amount: 0,
            tariff_base_units: 0,
        };
        (Lane { image, device }, Record::Lane(image))
    }

    pub fn voucher(&self, lane: &Lane, amount: u64) -> Record {
        let typed = Voucher { lane: lane.image.lane, cumulative_amount: amount.into() };
        let Ok(signature) = sign_typed(&lane.device, &self.domain, &typed);
        Record::Voucher { lane: lane.image.lane, voucher: SignedVoucher { amount, signature: signature.into() } }
    }

    /// An anchor at `base_amount` with one base unit per tick, and the tick at `index`.
    pub fn ticks(&self, lane: &Lane, base_amount: u64, index: u16) -> [Record; 2] {
        let id = lane.image.lane;
        let purpose = ChainPurpose {
            lane: id,
            base_amount,
            base_ticks: 0,
            tick_amount: 1,
            ticks_per_amount: 1,
            length: 1024,
            tariff: TariffHash::ZERO,
        };
        let seed = chain::seed(&lane.device.secret_bytes(), &self.domain, &purpose);
        let mut chain = DeviceChain::new(&id, seed, 1024).unwrap();
        let terms = AnchorTerms::of_chain(&purpose, chain.root());
        let Ok(signature) = sign_typed(&lane.device, &self.domain, &terms.typed(&id));
        let (link, _) = chain.preimage(index).unwrap();
        [
            Record::Anchor { lane: id, anchor: SignedAnchor { terms, signature: signature.into() } },
            Record::Tick { lane: id, anchor: terms.tag(), index, link },
        ]
    }

    pub fn report(&self, lane: &Lane, provider: usize, revision: u64, credited: u64) -> Record {
        let id = lane.image.lane;
        let typed = Report { lane: id, revision, used_units: 1, credited_amount: credited.into() };
        let Ok(signature) = sign_typed(&self.providers[provider], &self.domain, &typed);
        Record::Report(SignedReport { lane: id, revision, used_units: 1, credited, signature: signature.into() })
    }

    pub fn balance(&self, account: Address) -> u64 {
        self.ledger.account(&account).unwrap().balance
    }
}

/// Runs, approves twice, and runs to the end.
pub fn settle(world: &World) -> u64 {
    settle_with(world, &RunOptions::default())
}

/// The same, with options for the first run.
pub fn settle_with(world: &World, first: &RunOptions) -> u64 {
    let book = world.book();
    let night = world.night(&book);
    let options = RunOptions::default();
    let Progress::NeedsApprovals { epoch, proposal, approvals: 0, needed: 2 } = night.run(first).unwrap() else {
        panic!("a proposal was expected");
    };
    night.approve(&world.approvers[0], Some(proposal)).unwrap();
    assert!(matches!(night.run(&options).unwrap(), Progress::NeedsApprovals { approvals: 1, .. }));
    night.approve(&world.approvers[1], None).unwrap();
    assert_eq!(night.run(&options).unwrap(), Progress::Closed { epoch, proposal });
    epoch
}

/// Two devices, two providers, vouchers, ticks and a refund.
pub fn day(world: &mut World) -> Vec<Lane> {
    let payer = key(4);
    let escrow = world.escrow(&payer, 10_000);
    let mut records = world.mandates(&payer, escrow, &[10, 11], 5_000, 1);
    let mut lanes = Vec::new();
    for (device, provider, group) in [(10, 0, 1), (10, 1, 2), (11, 0, 1)] {
        let (lane, record) = world.lane(escrow, device, provider, group);
        records.push(record);
        lanes.push(lane);
    }
    world.journal.write(&records);
    let [anchor, tick] = world.ticks(&lanes[2], 100, 23);
    world.journal.write(&[world.voucher(&lanes[0], 1_000), world.voucher(&lanes[1], 50), anchor]);
    world.journal.write(&[tick, world.voucher(&lanes[0], 1_500), world.report(&lanes[0], 0, 1, 200)]);
    lanes
}
