//! The device role against a fake hub over real QUIC.
#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod fake_hub;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use fake_hub::{ESCROW, FakeHub, GROUP, Hub, PAYEE, device_config, eventually};
use farthing_channel::id::{Address, Hash32};
use farthing_channel::mandate::{MandateTerms, sign_mandate};
use farthing_channel::refusal::Refusal;
use farthing_channel::sign::LibSecpKey;
use farthing_channel::time::UnixSeconds;
use farthing_client::{
    Blame, ClientError, Connector, Device, DeviceConfig, DeviceKey, FileStore, MemoryStore, PayMode, PaymentPath,
    Standing, StateStore as _, Trust,
};

const MODES: [PayMode; 2] = [PayMode::Voucher, PayMode::ticks(1, 64)];

#[tokio::test]
async fn pays_asks_and_closes() {
    let fake = FakeHub::start();
    for (secret, mode) in (1_u8..).zip(MODES) {
        let device = Device::connect(&fake.connector(), device_config(secret, mode)).await.unwrap();
        let lane = device.lane(PAYEE, GROUP).unwrap();
        for paid in 1..=100 {
            assert_eq!(lane.pay(3).await.unwrap().authorised, paid * 3);
        }
        assert_eq!(fake.hub.total(lane.id()), 300);
        assert_eq!(lane.query().await.unwrap().authorised, 300);
        let receipt = lane.receipt().await.unwrap();
        assert_eq!(receipt.authorised, 300);
        assert_eq!(lane.last_receipt(), Some(receipt));
        assert!(lane.grant().borrow().is_some());
        assert_eq!(device.close().await.unwrap().len(), 1);
        assert!(matches!(lane.pay(1).await, Err(ClientError::Stopped)));
    }
}

#[tokio::test]
async fn a_total_named_again_pays_nothing() {
    let fake = FakeHub::start();
    let device = Device::start(&fake.connector(), device_config(1, PayMode::Voucher)).unwrap();
    let lane = device.lane(PAYEE, GROUP).unwrap();
    for _ in 0..3 {
        assert_eq!(lane.pay_total(70).await.unwrap().authorised, 70);
    }
    assert_eq!(fake.hub.total(lane.id()), 70);
    assert_eq!(Hub::count(&fake.hub.payments), 1);
}

#[tokio::test]
async fn a_day_offline_is_one_message() {
    let fake = FakeHub::start();
    fake.go_down();
    let device = Device::start(&fake.connector(), device_config(1, PayMode::Voucher)).unwrap();
    let lane = device.lane(PAYEE, GROUP).unwrap();
    for _ in 0..1000 {
        lane.send(2).unwrap();
    }
    fake.come_back();
    assert_eq!(lane.settle().await.unwrap().authorised, 2000);
    assert_eq!(Hub::count(&fake.hub.payments), 1);
}

#[tokio::test]
async fn goes_on_after_the_hub_was_away() {
    let fake = FakeHub::start();
    for (secret, mode) in (1_u8..).zip(MODES) {
        let device = Device::connect(&fake.connector(), device_config(secret, mode)).await.unwrap();
        let lane = device.lane(PAYEE, GROUP).unwrap();
        assert_eq!(lane.pay(5).await.unwrap().authorised, 5);
        fake.go_down();
        lane.send(5).unwrap();
        fake.come_back();
        assert_eq!(lane.pay(5).await.unwrap().authorised, 15);
    }
}

#[tokio::test]
async fn lost_datagrams_are_repeated() {
    let fake = FakeHub::start();
    for (secret, mode) in (1_u8..).zip(MODES) {
        let device = Device::connect(&fake.connector(), device_config(secret, mode)).await.unwrap();
        let lane = device.lane(PAYEE, GROUP).unwrap();
        for paid in 1..=5 {
            fake.hub.lose(2);
            assert_eq!(lane.pay(1).await.unwrap().authorised, paid);
        }
    }
    assert_eq!(Hub::count(&fake.hub.streams), 0);
}

#[tokio::test]
async fn payments_take_a_stream_where_datagrams_do_not_get_through() {
    // The hub takes none.
    let without = FakeHub::start_with(false);
    let device = Device::start(&without.connector(), device_config(1, MODES[1])).unwrap();
    let lane = device.lane(PAYEE, GROUP).unwrap();
    assert_eq!(lane.pay(9).await.unwrap().authorised, 9);
    assert_eq!(Hub::count(&without.hub.streams), 1);
    // The configuration says so.
    let fake = FakeHub::start();
    let mut config = fake.config();
    config.payments = PaymentPath::Stream;
    let connector = Connector::new(config).unwrap();
    let device = Device::start(&connector, device_config(1, MODES[0])).unwrap();
    let lane = device.lane(PAYEE, GROUP).unwrap();
    assert_eq!(lane.pay(9).await.unwrap().authorised, 9);
    assert_eq!(Hub::count(&fake.hub.streams), 1);
    assert_eq!(Hub::count(&fake.hub.datagrams), 0);
    // The path swallows them.
    let fake = FakeHub::start();
    fake.hub.lose(usize::MAX);
    let device = Device::start(&fake.connector(), device_config(1, MODES[1])).unwrap();
    let lane = device.lane(PAYEE, GROUP).unwrap();
    assert_eq!(lane.pay(9).await.unwrap().authorised, 9);
    assert_eq!(lane.pay(1).await.unwrap().authorised, 10);
    assert_eq!(Hub::count(&fake.hub.streams), 1);
}

#[tokio::test]
async fn a_deadline_undoes_nothing_and_pays_nothing_twice() {
    let fake = FakeHub::start();
    let device = Device::connect(&fake.connector(), device_config(1, PayMode::Voucher)).await.unwrap();
    let lane = device.lane(PAYEE, GROUP).unwrap();
    assert_eq!(lane.pay(1).await.unwrap().authorised, 1);
    fake.hub.mute.store(true, Ordering::SeqCst);
    let late = lane.with_deadline(Duration::from_millis(50)).pay(10).await.unwrap_err();
    assert!(matches!(late, ClientError::Timeout(_)));
    assert!(late.retry_helps());
    assert_eq!(late.blame(), Blame::Network);
    fake.hub.mute.store(false, Ordering::SeqCst);
    assert_eq!(lane.settle().await.unwrap().authorised, 11);
    assert_eq!(fake.hub.total(lane.id()), 11);
}

#[tokio::test]
async fn a_device_without_memory_goes_on_from_what_it_signed() {
    let fake = FakeHub::start();
    for (secret, mode) in (1_u8..).zip(MODES) {
        for life in 1..=3 {
            // Each life has a store of its own, and pays before it could ask.
            let device = Device::start(&fake.connector(), device_config(secret, mode)).unwrap();
            let lane = device.lane(PAYEE, GROUP).unwrap();
            assert_eq!(lane.pay(20).await.unwrap().authorised, life * 20);
            device.shutdown().await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_device_with_a_file_remembers_what_it_owes() {
    let fake = FakeHub::start();
    let dir = tempfile::tempdir().unwrap();
    let store = || Arc::new(FileStore::open(dir.path()).unwrap());
    let id = {
        let device =
            Device::connect(&fake.connector_with(store()), device_config(1, PayMode::ticks(1, 500))).await.unwrap();
        let lane = device.lane(PAYEE, GROUP).unwrap();
        assert_eq!(lane.pay(20).await.unwrap().authorised, 20);
        fake.go_down();
        lane.send(30).unwrap();
        let id = lane.id();
        // The wish reaches the disk although the hub is away; then the device stops.
        let kept = store();
        eventually(|| kept.load(&id).unwrap().is_some_and(|record| record.wanted_amount + record.wanted_ticks == 50))
            .await;
        let hurried = device.with_deadline(Duration::from_millis(500));
        assert!(hurried.shutdown().await.is_err());
        id
    };
    assert_eq!(fake.hub.total(id), 20);
    fake.come_back();
    let device = Device::start(&fake.connector_with(store()), device_config(1, PayMode::ticks(1, 500))).unwrap();
    let lane = device.lane(PAYEE, GROUP).unwrap();
    assert_eq!(lane.pay(1).await.unwrap().authorised, 51);
}

#[tokio::test]
async fn a_hub_from_an_old_backup_is_told_again() {
    let fake = FakeHub::start();
    for (secret, mode) in (1_u8..).zip(MODES) {
        let device = Device::connect(&fake.connector(), device_config(secret, mode)).await.unwrap();
        let lane = device.lane(PAYEE, GROUP).unwrap();
        let _ = lane.pay(5).await.unwrap();
        let backup = fake.hub.lanes().clone();
        let _ = lane.pay(7).await.unwrap();
        fake.go_down();
        *fake.hub.lanes() = backup;
        fake.come_back();
        eventually(|| fake.hub.total(lane.id()) == 12).await;
    }
}

#[tokio::test]
async fn resumed_connections_pay_with_their_first_packet() {
    let fake = FakeHub::start();
    for (secret, mode) in (1_u8..).zip(MODES) {
        let device = Device::connect(&fake.connector(), device_config(secret, mode)).await.unwrap();
        let lane = device.lane(PAYEE, GROUP).unwrap();
        let _ = lane.pay(5).await.unwrap();
        let before = Hub::count(&fake.hub.payments_by_id);
        fake.go_down();
        let mut standing = device.standing();
        standing.wait_for(|standing| matches!(standing, Standing::Detached)).await.unwrap();
        lane.send(2).unwrap();
        fake.come_back();
        assert_eq!(lane.settle().await.unwrap().authorised, 7);
        assert!(Hub::count(&fake.hub.payments_by_id) > before, "{mode:?}");
    }
}

#[tokio::test]
async fn limits_hold_before_anything_is_signed() {
    let fake = FakeHub::start();
    let mut config = device_config(1, PayMode::Voucher);
    config.spending_limit = Some(100);
    let device = Device::connect(&fake.connector(), config).await.unwrap();
    let one = device.lane(PAYEE, GROUP).unwrap();
    let two = device.lane(PAYEE, farthing_channel::id::RatingGroup(2)).unwrap();
    let _ = one.pay(60).await.unwrap();
    let over = two.pay(41).await.unwrap_err();
    assert!(matches!(over, ClientError::Limit { total: 101, limit: 100 }));
    assert_eq!(over.blame(), Blame::Payer);
    assert_eq!(two.pay(40).await.unwrap().authorised, 40);
    assert!(one.send(1).is_err());
    assert_eq!(one.liability() + two.liability(), 100);
}

#[tokio::test]
async fn refusals_reach_those_who_wait() {
    let fake = FakeHub::start();
    let device = Device::connect(&fake.connector(), device_config(1, PayMode::Voucher)).await.unwrap();
    let lane = device.lane(PAYEE, GROUP).unwrap();
    fake.hub.set_refusal(Some(Refusal::MandateExpired));
    let refused = lane.pay(5).await.unwrap_err();
    assert!(matches!(refused, ClientError::Refused(Refusal::MandateExpired)));
    assert!(!refused.retry_helps());
    // A hub that is busy is asked again without anybody noticing.
    fake.hub.set_refusal(Some(Refusal::NotServing));
    let waiting = tokio::spawn({
        let lane = lane.clone();
        async move { lane.settle().await }
    });
    eventually(|| Hub::count(&fake.hub.payments) > 2).await;
    fake.hub.set_refusal(None);
    assert_eq!(waiting.await.unwrap().unwrap().authorised, 5);
}

#[tokio::test]
async fn a_refused_attach_is_told_and_a_busy_hub_is_asked_again() {
    let fake = FakeHub::start();
    *fake.hub.refuse_attach.lock().unwrap() = Some(Refusal::NoMandate);
    let refused = Device::connect(&fake.connector(), device_config(1, PayMode::Voucher)).await;
    assert!(matches!(refused, Err(ClientError::Refused(Refusal::NoMandate))));
    // Payments are not even noted then, until somebody has acted.
    let device = Device::start(&fake.connector(), device_config(2, PayMode::Voucher)).unwrap();
    let lane = device.lane(PAYEE, GROUP).unwrap();
    assert!(device.attached().await.is_err());
    assert!(matches!(lane.pay(5).await, Err(ClientError::Refused(Refusal::NoMandate))));
    *fake.hub.refuse_attach.lock().unwrap() = None;
    device.renew(None).unwrap();
    assert_eq!(lane.pay(6).await.unwrap().authorised, 6);
    *fake.hub.refuse_attach.lock().unwrap() = Some(Refusal::HubFull);
    let device = Device::start(&fake.connector(), device_config(1, PayMode::Voucher)).unwrap();
    let before = Hub::count(&fake.hub.attaches);
    eventually(|| Hub::count(&fake.hub.attaches) > before + 1).await;
    *fake.hub.refuse_attach.lock().unwrap() = None;
    device.attached().await.unwrap();
}

#[tokio::test]
async fn a_higher_mandate_raises_the_limit() {
    let fake = FakeHub::start();
    let payer = LibSecpKey::from_bytes([0x70; 32]).unwrap();
    let key = DeviceKey::from_secret([1; 32]).unwrap();
    let mandate = |limit, serial| {
        let terms =
            MandateTerms { device: key.address(), limit, expiry: UnixSeconds(u64::MAX), serial, payees: vec![PAYEE] };
        sign_mandate(&payer, &fake.hub.domain, ESCROW, terms).unwrap()
    };
    let config = DeviceConfig::with_mandate(key.clone(), mandate(10, 1));
    let device = Device::connect(&fake.connector(), config).await.unwrap();
    let lane = device.lane(PAYEE, GROUP).unwrap();
    let stranger = device.lane(Address([1; 20]), GROUP);
    assert!(matches!(stranger, Err(ClientError::Refused(Refusal::PayeeNotAllowed))));
    assert_eq!(lane.pay(10).await.unwrap().authorised, 10);
    assert!(matches!(lane.pay(1).await, Err(ClientError::Limit { limit: 10, .. })));
    device.renew(Some(mandate(20, 2))).unwrap();
    assert_eq!(lane.pay(10).await.unwrap().authorised, 20);
    assert!(lane.pay(1).await.is_err());
}

#[tokio::test]
async fn another_certificate_is_no_hub() {
    let fake = FakeHub::start();
    let mut config = fake.config();
    config.trust = Trust::Pin(Hash32([1; 32]));
    let device = Device::start(&Connector::new(config).unwrap(), device_config(1, PayMode::Voucher)).unwrap();
    let lane = device.lane(PAYEE, GROUP).unwrap();
    let attached = device.attached().await.unwrap_err();
    assert!(matches!(attached, ClientError::Certificate(_)));
    assert!(!attached.retry_helps());
    let paid = lane.pay(1).await;
    assert!(matches!(paid, Err(ClientError::Certificate(_))));
    // The same certificate under its own authority is one.
    let mut config = fake.config();
    config.trust = Trust::CaCertificates(vec![fake.hub.certificate.clone()]);
    config.server_name = "localhost".into();
    let device = Device::start(&Connector::new(config).unwrap(), device_config(1, PayMode::Voucher)).unwrap();
    device.attached().await.unwrap();
}

#[tokio::test]
async fn units_cost_what_the_tariff_says() {
    let fake = FakeHub::start();
    let tariff = fake.set_tariff(3, 1000);
    let store = Arc::new(MemoryStore::new());
    let config = || device_config(1, PayMode::Voucher);
    let device = Device::connect(&fake.connector_with(store.clone()), config()).await.unwrap();
    let lane = device.lane(PAYEE, GROUP).unwrap();
    let _ = lane.pay_units(0, &tariff).await.unwrap();
    let known = device.tariff(tariff.hash()).await.unwrap();
    assert_eq!(known, tariff);
    // 1,500 units are 4.5 base units: the sum is rounded up once, not each portion.
    for _ in 0..15 {
        let _ = lane.use_units(100, &tariff).await.unwrap();
    }
    assert_eq!(fake.hub.total(lane.id()), 5);
    assert_eq!(lane.pay_units(1500, &tariff).await.unwrap().authorised, 5);
    assert_eq!(lane.send_units(167, &tariff).unwrap(), 6);
    assert_eq!(lane.settle().await.unwrap().authorised, 6);
    assert_eq!(lane.units_used(), 1667);
    device.shutdown().await.unwrap();
    // The count is kept.
    let device = Device::connect(&fake.connector_with(store), config()).await.unwrap();
    let lane = device.lane(PAYEE, GROUP).unwrap();
    let _ = lane.use_units(1, &tariff).await.unwrap();
    assert_eq!(lane.units_used(), 1668);
    let other = fake.set_tariff(1, 1);
    let refused = lane.use_units(1, &other).await;
    assert!(matches!(refused, Err(ClientError::OtherTariff)));
}
