mod eviction;

use farthing_channel::admission::ChannelStatus;
use farthing_channel::id::{ChannelId, LaneId, RatingGroup, TariffHash};
use farthing_channel::record::block::{BlockHash, ChainCursor};
use farthing_channel::record::{LaneImage, Record};
use proptest::prelude::*;

use super::fold::Fold;
use super::store::CheckpointStore;
use crate::table::Table;
use crate::table::commit::Committed;
use crate::table::tests::{device, escrow, lane_of, opening, pay, table};

fn cursor(sequence: u64) -> ChainCursor {
    ChainCursor { term: 3, sequence, hash: BlockHash([7; 32]) }
}

const CACHE_BYTES: usize = 1024 * 1024;

/// Folds the records in transactions of the given sizes, for a table to which they were applied.
fn fold(store: &CheckpointStore, table: &Table, records: &[Record], at_once: usize) {
    for (number, part) in (1..).zip(records.chunks(at_once)) {
        let mut transaction = store.begin().unwrap();
        let mut fold = Fold::new(&mut transaction, table).unwrap();
        for record in part {
            fold.take(record).unwrap();
        }
        fold.finish(&cursor(number)).unwrap();
        transaction.commit().unwrap();
    }
}

fn load(store: &CheckpointStore) -> Table {
    let table = Table::new(store.cold_units());
    store.load(&table).unwrap();
    table
}

#[test]
fn an_empty_checkpoint_loads_as_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let store = CheckpointStore::open(&directory.path().join("checkpoint.redb"), CACHE_BYTES).unwrap();
    assert_eq!(store.cursor().unwrap(), None);
    assert_eq!(load(&store).counts(), (0, 0, 0));
}

#[test]
fn statuses_terms_and_lone_payers_come_back() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("checkpoint.redb");
    let store = CheckpointStore::open(&path, CACHE_BYTES).unwrap();
    let image = escrow(100);
    let signer = image.terms().signer();
    let lone = ChannelId::derive(&image.id, &signer);
    let records = [
        Record::Term { term: 5, at: farthing_channel::time::UnixSeconds(1), restored: false },
        Record::Escrow(image),
        Record::LedgerCursor { cursor: 9 },
        Record::Lane(LaneImage {
            lane: LaneId::of_escrow(&image.id),
            escrow: image.id,
            device: signer,
            payee: image.payee,
            rating_group: RatingGroup(0),
            tariff: TariffHash::ZERO,
            tariff_base_amount: 0,
            tariff_base_units: 0,
        }),
        Record::Status { channel: lone, status: ChannelStatus::Frozen as u8 },
        Record::EpochClosed { epoch: 2, sequence: 40 },
    ];
    fold(&store, &table(&records), &records, 2);
    drop(store);
    let store = CheckpointStore::open(&path, CACHE_BYTES).unwrap();
    assert_eq!(store.cursor().unwrap(), Some(cursor(3)));
    let loaded = load(&store);
    assert_eq!((loaded.term(), loaded.ledger_cursor(), loaded.epoch_closed()), (5, 9, (2, 40)));
    let channel = loaded.channel(&lone).unwrap().unwrap();
    assert_eq!(channel.status(), ChannelStatus::Frozen);
    assert_eq!(channel.limit(), u64::MAX);
    assert_eq!(channel.lanes().len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Loading a checkpoint gives the table that its records give, however they were cut into transactions.
    #[test]
    fn a_checkpoint_is_the_fold_of_its_records(
        payments in prop::collection::vec((0..3_u8, 1..60_u64), 0..20),
        at_once in 1..12_usize,
    ) {
        let mut records = opening(100, 50, 3);
        let live = table(&records);
        for (n, amount) in payments {
            if let Ok(Committed::Changed { change, .. }) = pay(&live, n, amount) {
                records.push(Record::of_change(lane_of(n), &change));
            }
        }
        let directory = tempfile::tempdir().unwrap();
        let store = CheckpointStore::open(&directory.path().join("checkpoint.redb"), CACHE_BYTES).unwrap();
        fold(&store, &live, &records, at_once);
        let loaded = load(&store);
        let id = escrow(0).id;
        prop_assert_eq!(loaded.escrow(&id).unwrap().authorised(), live.escrow(&id).unwrap().authorised());
        for n in 0..3 {
            let channel = loaded.channel_of(&id, &farthing_channel::sign::Signer::address(&device(n)));
            let channel = channel.unwrap().unwrap();
            prop_assert_eq!(channel.limit(), 50);
            let (kept, paid) = (loaded.lane(&lane_of(n)).unwrap().unwrap(), live.lane(&lane_of(n)).unwrap().unwrap());
            prop_assert_eq!(kept.state(), paid.state());
            prop_assert_eq!(kept.channel().authorised(), paid.channel().authorised());
        }
    }
}
