//! Gateways, providers, and the blocking face, against a fake hub over real QUIC.
#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod fake_hub;

use std::time::Duration;

use fake_hub::{FakeHub, GROUP, Hub, PAYEE, device_config, eventually};
use farthing_channel::refusal::Refusal;
use farthing_client::{
    ClientError, Device, DeviceConfig, DeviceKey, Gateway, PayMode, Provider, ProviderConfig, blocking,
};

const DEVICES: u16 = 300;

fn numbered(number: u16) -> DeviceConfig {
    let mut secret = [1; 32];
    secret[..2].copy_from_slice(&number.to_be_bytes());
    DeviceConfig { key: DeviceKey::from_secret(secret).unwrap(), ..device_config(1, PayMode::ticks(1, 100)) }
}

#[tokio::test]
async fn a_gateway_carries_many_devices_and_packs_their_payments() {
    let fake = FakeHub::start();
    let gateway = Gateway::start(&fake.connector()).unwrap();
    gateway.connected().await.unwrap();
    let devices: Vec<Device> = (0..DEVICES).map(|number| gateway.add(numbered(number)).unwrap()).collect();
    let lanes: Vec<_> = devices.iter().map(|device| device.lane(PAYEE, GROUP).unwrap()).collect();
    for lane in &lanes {
        assert_eq!(lane.pay(1).await.unwrap().authorised, 1);
    }
    let before = Hub::count(&fake.hub.datagrams);
    for lane in &lanes {
        lane.send(1).unwrap();
    }
    for lane in &lanes {
        assert_eq!(lane.settle().await.unwrap().authorised, 2);
    }
    let datagrams = Hub::count(&fake.hub.datagrams) - before;
    assert!(datagrams < usize::from(DEVICES) / 4, "{datagrams}");
    // All of them come back by themselves.
    fake.go_down();
    for lane in &lanes {
        lane.send(1).unwrap();
    }
    fake.come_back();
    for lane in &lanes {
        assert_eq!(lane.settle().await.unwrap().authorised, 3);
    }
    gateway.shutdown();
    let stopped = lanes[0].pay(1).await;
    assert!(matches!(stopped, Err(ClientError::Stopped)));
}

#[tokio::test]
async fn a_provider_hears_of_payments_and_reports() {
    let fake = FakeHub::start();
    let connector = fake.connector();
    let config = ProviderConfig { key: DeviceKey::from_secret([9; 32]).unwrap(), rating_groups: Vec::new() };
    let (provider, mut notices) = Provider::connect(&connector, config).await.unwrap();
    eventually(|| Hub::count(&fake.hub.subscriptions) == 1).await;
    let device = Device::connect(&connector, device_config(1, PayMode::Voucher)).await.unwrap();
    let lane = device.lane(PAYEE, GROUP).unwrap();
    let _ = lane.pay(25).await.unwrap();
    let heard = notices.recv().await.unwrap();
    assert_eq!((heard.lane, heard.authorised), (lane.id(), 25));
    assert_eq!(heard.device, device.address());
    assert_eq!(provider.report(lane.id(), 1, 20, 0).await.unwrap().units, 25);
    let unknown = farthing_channel::id::LaneId([1; 32]);
    assert!(matches!(provider.report(unknown, 1, 1, 0).await, Err(ClientError::Refused(Refusal::UnknownLane))));
    // A report made while the hub is away arrives when it is back, and so do notices.
    fake.go_down();
    let waiting = tokio::spawn({
        let (provider, lane) = (provider.clone(), lane.id());
        async move { provider.report(lane, 2, 25, 0).await }
    });
    tokio::task::yield_now().await;
    fake.come_back();
    assert_eq!(waiting.await.unwrap().unwrap().units, 25);
    let _ = lane.pay(5).await.unwrap();
    loop {
        if notices.recv().await.unwrap().authorised == 30 {
            break;
        }
    }
    assert_eq!(provider.receipt(lane.id()).await.unwrap().authorised, 30);
    assert_eq!(provider.query(lane.id()).await.unwrap().authorised, 30);
    provider.shutdown();
    while notices.recv().await.is_some() {}
}

#[test]
fn the_blocking_face_pays_without_a_runtime() {
    let hub_runtime = tokio::runtime::Runtime::new().unwrap();
    let fake = {
        let _entered = hub_runtime.enter();
        FakeHub::start()
    };
    let connector = blocking::Connector::new(fake.config()).unwrap();
    let (provider, mut notices) = blocking::Provider::start(
        &connector,
        ProviderConfig { key: DeviceKey::from_secret([9; 32]).unwrap(), rating_groups: vec![GROUP] },
    )
    .unwrap();
    provider.subscribed().unwrap();
    let gateway = blocking::Gateway::start(&connector).unwrap();
    let device = gateway.add(device_config(1, PayMode::Voucher)).unwrap();
    let lane = device.lane(PAYEE, GROUP).unwrap();
    assert_eq!(lane.pay(7).unwrap().authorised, 7);
    assert_eq!(lane.pay_total(9).unwrap().authorised, 9);
    lane.send(1).unwrap();
    assert_eq!(lane.settle().unwrap().authorised, 10);
    assert_eq!(lane.receipt().unwrap().authorised, 10);
    assert!(notices.recv(Duration::from_secs(20)).is_some());
    assert_eq!(provider.report(lane.inner().id(), 1, 1, 0).unwrap().units, 10);
    assert_eq!(device.close().unwrap().len(), 1);
}
