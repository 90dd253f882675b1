//! Power cuts and orderly ends.

use farthing_client::Connector;
use farthing_loadtest::crash::{self, CrashArgs};

use crate::support::{World, programs, runtime};

#[test]
fn nothing_acknowledged_is_lost_when_the_hub_is_killed() {
    programs();
    let args = CrashArgs { rounds: 5, devices: 20, moment_ms_max: 400, json: None, keep: None };
    let result =
        runtime().block_on(async { tokio::spawn(async move { crash::run(&args).await }).await.unwrap().unwrap() });
    assert_eq!((result.rounds, result.lost, result.conserved), (5, 0, 5));
    assert!(result.payments_acknowledged > 0);
}

#[test]
fn starting_again_changes_nothing() {
    let mut world = World::new(3);
    world.pay(3, 40);
    let totals = world.site.channel_totals().unwrap();
    for round in 0..4 {
        if round % 2 == 0 {
            world.site.kill_hub().unwrap()
        } else {
            world.site.stop_hub().unwrap()
        }
        world.site.start_hub().unwrap();
        assert_eq!(world.site.channel_totals().unwrap(), totals);
        assert_eq!(world.authorised(), 120);
    }
    // Devices that have forgotten everything go on where the hub's proofs end.
    world.pay(3, 10);
    assert_eq!(world.authorised(), 150);
    world.site.finish().unwrap();
}

#[test]
fn sigterm_keeps_what_was_acknowledged_and_devices_come_back() {
    let mut world = World::new(4);
    runtime().block_on(async {
        let connector = Connector::new(world.config()).unwrap();
        let mut lanes = Vec::new();
        for place in 0..4 {
            lanes.push(world.device(&connector, place).await.1);
        }
        for lane in &lanes {
            for _ in 0..200 {
                lane.send(1).unwrap();
            }
        }
        tokio::task::block_in_place(|| world.site.stop_hub()).unwrap();
        let promised: Vec<_> = lanes.iter().map(|lane| lane.acknowledged().total()).collect();
        let totals = tokio::task::block_in_place(|| {
            world.site.start_hub().unwrap();
            world.site.channel_totals().unwrap()
        });
        for (lane, promised) in lanes.iter().zip(promised) {
            assert!(totals[&lane.device().address()] >= promised);
            assert_eq!(lane.settle().await.unwrap().authorised, 200);
        }
    });
    assert_eq!(world.authorised(), 800);
    world.site.finish().unwrap();
}
