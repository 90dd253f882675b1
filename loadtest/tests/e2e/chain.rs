//! A hub whose ledger is on a chain: what its payers take back there.

use std::time::Duration;

use farthing_channel::id::ChannelId;
use farthing_channel::refusal::Refusal;
use farthing_channel::sign::Signer as _;
use farthing_client::{ClientError, Connector, Lane};
use farthing_loadtest::site::{LedgerKind, SiteOptions};
use serde_json::Value;

use crate::support::{PATIENCE, World, runtime};

const POLL: Duration = Duration::from_millis(50);

/// Waits until the hub shows what is wanted.
fn until_shown(world: &World, question: &[&str], wanted: impl Fn(&Value) -> bool) {
    for _ in 0..PATIENCE.as_millis() / POLL.as_millis() {
        if wanted(&world.site.ask_hub(question).unwrap()) {
            return;
        }
        std::thread::sleep(POLL);
    }
    panic!("the hub never shows what was waited for: {question:?}");
}

/// Has the payer do something on the ledger, and `check` what holds while that is in a block and not final yet.
fn while_not_final(world: &World, command: &[&str], check: impl FnOnce()) {
    let file = world.site.folder().join("keys/payer-test-fleet.key");
    let command = [command, &["--key", file.to_str().unwrap()]].concat();
    world.site.hold_blocks().unwrap();
    std::thread::scope(|scope| {
        let done = scope.spawn(|| world.site.ask_settle(&command).unwrap());
        world.site.make_block_of_what_waits().unwrap();
        check();
        assert!(!done.is_finished(), "what is checked here must hold before anything is final");
        world.site.release_blocks().unwrap();
        done.join().unwrap();
    });
}

async fn refusal(lane: &Lane) -> Refusal {
    match lane.pay(1).await {
        Err(ClientError::Refused(refusal)) => refusal,
        outcome => panic!("a payment ends with {outcome:?}"),
    }
}

#[test]
fn what_a_payer_takes_back_on_a_chain_stops_its_devices_before_it_is_final() {
    let world = World::with(2, SiteOptions { ledger: LedgerKind::Evm, ..SiteOptions::default() });
    let escrow = world.fleet.escrow.to_string();
    let runtime = runtime();
    let (connector, [first, second]) = runtime.block_on(async {
        let connector = Connector::new(world.config()).unwrap();
        let devices = [world.device(&connector, 0).await, world.device(&connector, 1).await];
        for (_, lane) in &devices {
            let _ = lane.pay(1).await.unwrap();
        }
        (connector, devices)
    });

    let address = world.fleet.seed.signer("device-0").unwrap().address();
    let device = address.to_string();
    let channel = ChannelId::derive(&world.fleet.escrow, &address).to_string();
    while_not_final(&world, &["mandate", "revoke", &escrow, &device], || {
        until_shown(&world, &["channel", "show", &channel], |channel| channel["revoked"] == true);
        runtime.block_on(async {
            assert_eq!(refusal(&first.1).await, Refusal::MandateRevoked);
            let _ = second.1.pay(1).await.unwrap();
        });
    });
    while_not_final(&world, &["escrow", "request-close", &escrow], || {
        until_shown(&world, &["escrow", "show", &escrow], |escrow| escrow["state"] == "close_requested");
        runtime.block_on(async { assert_eq!(refusal(&second.1).await, Refusal::EscrowClosing) });
    });
    assert_eq!(world.authorised(), 3, "what was refused is not owed");
    runtime.block_on(async {
        drop((first, second));
        connector.wait_idle().await;
    });
    world.site.finish().unwrap();
}
