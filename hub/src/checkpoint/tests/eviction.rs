//! A table whose idle units leave memory is the table that never lets one go.

use std::sync::Arc;

use farthing_channel::admission::ChannelStatus;
use farthing_channel::id::RatingGroup;
use farthing_channel::record::LaneImage;
use farthing_channel::sign::Signer as _;
use farthing_channel::time::UnixSeconds;

use super::*;
use crate::table::Channel;
use crate::table::tests::PAYEE;

/// Devices; the last of them gets its lane on the way.
const DEVICES: u8 = 4;

#[derive(Debug, Clone)]
enum Step {
    Pay(u8, u64),
    /// Freezes, thaws or closes.
    Status(u8, ChannelStatus),
    Revoke(u8),
    /// Another lane.
    Open(u8, u32),
    /// A session takes hold of a channel, or lets go of it.
    Hold(u8),
    LetGo(u8),
    /// The checkpointer opens a round; what was recorded by then is durable.
    OpenRound,
    /// It folds what was durable, and perhaps some more.
    Fold(usize),
    /// It lets go of what was touched before the round, where the fold reached what was durable then.
    Evict,
    /// The process ends and starts again, with everything that was recorded.
    Crash,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let device = 0..DEVICES;
    let status = prop_oneof![Just(ChannelStatus::Open), Just(ChannelStatus::Frozen), Just(ChannelStatus::Closed)];
    let step = prop_oneof![
        5 => (device.clone(), 1..60_u64).prop_map(|(n, amount)| Step::Pay(n, amount)),
        2 => (device.clone(), status).prop_map(|(n, status)| Step::Status(n, status)),
        1 => device.clone().prop_map(Step::Revoke),
        1 => (device.clone(), 1..4_u32).prop_map(|(n, group)| Step::Open(n, group)),
        1 => device.clone().prop_map(Step::Hold),
        1 => device.prop_map(Step::LetGo),
        3 => Just(Step::OpenRound),
        3 => (0..4_usize).prop_map(Step::Fold),
        3 => Just(Step::Evict),
        1 => Just(Step::Crash),
    ];
    prop::collection::vec(step, 0..60)
}

/// A table over a checkpoint, and the records that a journal would hold.
struct Site {
    store: CheckpointStore,
    table: Table,
    records: Vec<Record>,
    folded: usize,
    /// The open round and how much was recorded by then.
    round: Option<(u64, usize)>,
    held: [Option<Arc<Channel>>; DEVICES as usize],
}

impl Site {
    fn record(&mut self, model: &Table, record: Record) {
        let outcome = self.table.apply(&record);
        assert_eq!(outcome, model.apply(&record));
        if outcome.is_ok() {
            self.records.push(record);
        }
    }

    fn fold_to(&mut self, end: usize) {
        if end > self.folded {
            fold(&self.store, &self.table, &self.records[self.folded..end], end);
            self.folded = end;
        }
    }

    fn channel(&self, n: u8) -> Arc<Channel> {
        self.table.channel_of(&escrow(0).id, &device(n).address()).unwrap().unwrap()
    }

    fn step(&mut self, model: &Table, step: &Step) {
        match step {
            Step::Pay(n, amount) => {
                if self.table.lane(&lane_of(*n)).unwrap().is_none() {
                    return;
                }
                let outcome = pay(&self.table, *n, *amount);
                assert_eq!(outcome, pay(model, *n, *amount));
                if let Ok(Committed::Changed { change, .. }) = outcome {
                    self.records.push(Record::of_change(lane_of(*n), &change));
                }
            }
            Step::Status(n, status) => {
                let channel = ChannelId::derive(&escrow(0).id, &device(*n).address());
                self.record(model, Record::Status { channel, status: *status as u8 });
            }
            Step::Revoke(n) => {
                let device = device(*n).address();
                self.record(model, Record::Revoked { escrow: escrow(0).id, device, serial: 1, at: UnixSeconds(0) });
            }
            Step::Open(n, group) => self.record(model, Record::Lane(image(*n, *group))),
            Step::Hold(n) => self.held[usize::from(*n)] = Some(self.channel(*n)),
            Step::LetGo(n) => self.held[usize::from(*n)] = None,
            Step::OpenRound => self.round = Some((self.table.rounds().open(), self.records.len())),
            Step::Fold(more) => {
                if let Some((_, durable)) = self.round {
                    self.fold_to((durable + more).min(self.records.len()));
                }
            }
            Step::Evict => {
                if let Some((round, durable)) = self.round
                    && self.folded >= durable
                {
                    self.table.evict(round);
                }
            }
            Step::Crash => self.crash(),
        }
    }

    fn crash(&mut self) {
        self.held = Default::default();
        self.round = None;
        self.table = load(&self.store);
        for record in &self.records[self.folded..] {
            self.table.apply(record).unwrap();
        }
    }
}

fn image(n: u8, group: u32) -> LaneImage {
    let channel = ChannelId::derive(&escrow(0).id, &device(n).address());
    LaneImage {
        lane: LaneId::derive(&channel, &PAYEE, RatingGroup(group)),
        escrow: escrow(0).id,
        device: device(n).address(),
        payee: PAYEE,
        rating_group: RatingGroup(group),
        tariff: TariffHash::ZERO,
        tariff_base_amount: 0,
        tariff_base_units: 0,
    }
}

fn assert_same(site: &Table, model: &Table) {
    let id = escrow(0).id;
    assert_eq!(site.counts(), model.counts());
    assert_eq!(site.escrow(&id).unwrap().authorised(), model.escrow(&id).unwrap().authorised());
    for n in 0..DEVICES {
        let of = |table: &Table| table.channel_of(&id, &device(n).address()).unwrap().unwrap();
        let (a, b) = (of(site), of(model));
        let facts = |c: &Channel| (c.limit(), c.serial(), c.revoked_serial(), c.status(), c.authorised());
        assert_eq!(facts(&a), facts(&b));
        let lanes = |c: &Channel| c.lanes().iter().map(|lane| (lane.image(), lane.state())).collect::<Vec<_>>();
        assert_eq!(lanes(&a), lanes(&b));
        for lane in a.lanes() {
            assert!(Arc::ptr_eq(&site.lane(&lane.id()).unwrap().unwrap(), &lane), "a unit is in memory once");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn eviction_and_crashes_lose_nothing(steps in steps()) {
        let mut opening = opening(1_000, 150, DEVICES);
        opening.pop();
        let model = table(&opening);
        let directory = tempfile::tempdir().unwrap();
        let store = CheckpointStore::open(&directory.path().join("checkpoint.redb"), CACHE_BYTES).unwrap();
        let table = Table::new(store.cold_units());
        for record in &opening {
            table.apply(record).unwrap();
        }
        let mut site = Site { store, table, records: opening, folded: 0, round: None, held: Default::default() };
        for step in &steps {
            site.step(&model, step);
        }
        assert_same(&site.table, &model);
        let round = site.table.rounds().open();
        site.fold_to(site.records.len());
        site.held = Default::default();
        site.table.evict(round);
        prop_assert_eq!(site.table.hot_units(), 0, "nobody holds anything, and the checkpoint has it all");
        assert_same(&site.table, &model);
    }
}

#[test]
fn what_is_held_or_was_touched_since_stays() {
    let directory = tempfile::tempdir().unwrap();
    let store = CheckpointStore::open(&directory.path().join("checkpoint.redb"), CACHE_BYTES).unwrap();
    let table = Table::new(store.cold_units());
    let records = opening(1_000, 150, 3);
    for record in &records {
        table.apply(record).unwrap();
    }
    let held = table.lane(&lane_of(0)).unwrap().unwrap();
    let round = table.rounds().open();
    fold(&store, &table, &records, 100);
    pay(&table, 1, 5).unwrap();
    assert_eq!(table.evict(round), 1, "the third alone is idle");
    assert_eq!(table.hot_units(), 2);
    assert!(Arc::ptr_eq(&table.lane(&lane_of(0)).unwrap().unwrap(), &held));
    assert_eq!(table.lane(&lane_of(1)).unwrap().unwrap().state().total().amount(), 5);
}
