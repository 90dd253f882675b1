//! Devices that move, and devices that come back.

use std::time::Duration;

use farthing_client::{Connector, Standing};

use crate::relay::Relay;
use crate::support::{World, runtime};

/// A counter of the metrics page.
fn counter(world: &World, name: &str) -> u64 {
    let page = tokio::task::block_in_place(|| world.site.hub_page("/metrics")).unwrap();
    let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in {page}")).trim().parse().unwrap()
}

#[test]
fn a_device_that_moves_keeps_its_connection_and_pays_on() {
    let world = World::new(2);
    runtime().block_on(async {
        let relay = Relay::start(world.site.contact().hub.parse().unwrap()).await;
        let mut config = world.config();
        config.hub = relay.address.to_string().into();
        let connector = Connector::new(config).unwrap();
        let (ticks, vouchers) = (world.device(&connector, 0).await.1, world.device(&connector, 1).await.1);
        for round in 1..=5 {
            assert_eq!(ticks.pay(1).await.unwrap().authorised, round);
            assert_eq!(vouchers.pay(1).await.unwrap().authorised, round);
            relay.move_devices();
        }
        let _ = ticks.pay(1).await.unwrap();
        assert!(counter(&world, "farthing_hub_address_migrations_total") >= 5);
        let standing = ticks.device().standing().borrow().clone();
        assert!(matches!(standing, Standing::Attached(_)), "{standing:?}");
    });
    assert_eq!(world.authorised(), 11);
    world.site.finish().unwrap();
}

#[test]
fn a_device_that_comes_back_pays_with_its_first_packet() {
    let world = World::new(1);
    runtime().block_on(async {
        let relay = Relay::start(world.site.contact().hub.parse().unwrap()).await;
        let mut config = world.config();
        config.hub = relay.address.to_string().into();
        config.early_data = true;
        config.idle_timeout = Duration::from_millis(1_500);
        config.keep_alive = Some(Duration::from_millis(400));
        config.connect_timeout = Duration::from_secs(2);
        let connector = Connector::new(config).unwrap();
        let (device, lane) = world.device(&connector, 0).await;
        let _ = lane.pay(1).await.unwrap();

        relay.set_silent(true);
        let mut standing = device.standing();
        standing.wait_for(|standing| matches!(standing, Standing::Detached)).await.unwrap();
        lane.send(1).unwrap();
        relay.set_silent(false);
        assert_eq!(lane.settle().await.unwrap().authorised, 2);
        assert!(counter(&world, "farthing_hub_connections_early_total") >= 1);
    });
    assert_eq!(world.authorised(), 2);
    world.site.finish().unwrap();
}
