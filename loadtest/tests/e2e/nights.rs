//! Nights, and a hub that was put back to before one.

use std::path::PathBuf;

use crate::support::{World, copy_folder};

#[test]
fn a_second_night_pays_nothing_twice() {
    let world = World::new(3);
    world.pay(3, 50);
    let night = world.site.settle_night().unwrap();
    assert_eq!((night.epoch, night.settled, night.paid_out, night.carried, night.legs), (1, 150, 150, 0, 1));
    assert!(night.ledger_adds_up && night.statement_html.is_file());
    for _ in 0..2 {
        assert!(world.site.try_settle_night().unwrap().is_none(), "nothing new was proven");
        assert_eq!(world.site.settled_on_ledger().unwrap(), 150);
    }
    world.pay(2, 7);
    let night = world.site.settle_night().unwrap();
    assert_eq!((night.epoch, night.settled), (2, 14));
    assert_eq!(world.site.settled_on_ledger().unwrap(), world.authorised());
    let folder = night.statement_html.parent().unwrap().to_str().unwrap();
    let verified = world.site.ask_settle(&["verify", folder]).unwrap();
    assert_eq!(verified["holds"], true, "{verified}");
    world.site.finish().unwrap();
}

#[test]
fn a_settled_night_survives_a_hub_without_checkpoint() {
    let mut world = World::new(2);
    world.pay(2, 30);
    world.site.settle_night().unwrap();
    world.site.kill_hub().unwrap();
    std::fs::remove_file(world.folder.path().join("hub/data/checkpoint.redb")).unwrap();
    world.site.start_hub().unwrap();
    assert_eq!(world.authorised(), 60, "the journal alone brings everything back");
    assert!(world.site.try_settle_night().unwrap().is_none());
    world.site.finish().unwrap();
}

#[test]
fn a_restored_backup_is_named_and_settles_nothing_until_it_is_confirmed() {
    let mut world = World::new(2);
    let data: PathBuf = world.folder.path().join("hub/data");
    let backup = world.folder.path().join("backup");
    world.pay(2, 10);
    world.site.stop_hub().unwrap();
    copy_folder(&data, &backup);
    world.site.start_hub().unwrap();
    world.pay(2, 25);
    assert_eq!(world.site.settle_night().unwrap().settled, 70);
    world.site.stop_hub().unwrap();
    std::fs::remove_dir_all(&data).unwrap();
    copy_folder(&backup, &data);

    world.site.start_hub().unwrap();
    let status = world.site.status().unwrap().answer;
    assert_eq!(status["restored"], true, "{status}");
    assert!(status["faults"].to_string().contains("restored backup"), "{status}");
    assert!(world.site.hub_log().unwrap().contains("restored backup"));
    let refused = world.site.try_settle_night().unwrap_err().to_string();
    assert!(refused.contains("restored from a backup"), "{refused}");
    assert_eq!(world.site.settled_on_ledger().unwrap(), 70, "nothing is paid from it");
    world.site.finish().unwrap();
}
