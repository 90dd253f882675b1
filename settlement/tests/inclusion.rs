//! One payment, shown to be among the records that a night's batches commit to.
#![allow(clippy::unwrap_used)]

mod world;

use farthing_channel::id::{LaneId, TariffHash};
use farthing_channel::sign::{LibSecpKey, UncheckedSignature, sign_typed};
use farthing_channel::wire::SignedReceipt;
use farthing_settlement::export::{epoch_folder, write_folder};
use farthing_settlement::inclusion::{InclusionError, prove};
use farthing_settlement::night::outputs_of;
use farthing_settlement::text::TokenFormat;
use farthing_settlement::verify::verify_payment;
use world::{NOW, World, day, key, settle};

fn receipt(world: &World, hub: &LibSecpKey, lane: LaneId, authorised: u64) -> SignedReceipt {
    let signature = UncheckedSignature([0; 64]);
    let tariff = TariffHash::ZERO;
    let mut receipt = SignedReceipt { lane, authorised, used: 0, tariff, time: NOW, signature };
    let Ok(signature) = sign_typed(hub, &world.domain, &receipt.typed());
    receipt.signature = signature.into();
    receipt
}

#[test]
fn a_payment_is_shown_to_be_inside_and_nothing_else_is() {
    let mut world = World::new(2);
    let lanes = day(&mut world);
    settle(&world);
    let book = world.book();
    let outputs = outputs_of(&book, 1).unwrap().unwrap();
    let folder = epoch_folder(&world.settlement(), 1);
    let approvers = world.whose(&outputs);
    let token = TokenFormat { decimals: 6, symbol: String::new() };
    write_folder(&folder, &book, &outputs, &approvers, &token).unwrap();
    let journal = &world.journal.directory;
    let holds = |receipt: &SignedReceipt, inclusion: &_| verify_payment(&folder, receipt, inclusion).unwrap().holds;
    // A voucher, a later one on the same lane, another lane's, and a tick.
    let paid = [(0, 1_000), (0, 1_500), (1, 50), (2, 123)];
    for (lane, amount) in paid {
        let receipt = receipt(&world, &world.hub, lanes[lane].image.lane, amount);
        let inclusion = prove(journal, &book, &outputs.cut_off, &receipt).unwrap();
        assert_eq!(inclusion.anchor.is_some(), lane == 2);
        assert!(holds(&receipt, &inclusion), "{amount} on lane {lane}");
        for altered in [
            SignedReceipt { authorised: amount + 1, ..receipt },
            SignedReceipt { lane: lanes[(lane + 1) % 3].image.lane, ..receipt },
            self::receipt(&world, &key(99), receipt.lane, amount),
            self::receipt(&world, &world.hub, receipt.lane, amount + 1),
        ] {
            assert!(!holds(&altered, &inclusion), "{altered:?}");
        }
        let mut moved = inclusion.clone();
        moved.index ^= 1;
        assert!(!holds(&receipt, &moved));
        let mut bent = inclusion.clone();
        bent.path[0].0[0] ^= 1;
        assert!(!holds(&receipt, &bent));
    }
    // A payment after the cut-off, with a receipt that the hub did sign, is not in this epoch.
    let lane = lanes[0].image.lane;
    let later = world.voucher(&lanes[0], 1_600);
    world.journal.write(&[later]);
    let receipt = receipt(&world, &world.hub, lane, 1_600);
    let journal = &world.journal.directory;
    let outcome = prove(journal, &book, &outputs.cut_off, &receipt);
    assert!(matches!(outcome, Err(InclusionError::NotInside)), "{outcome:?}");
}
