//! A failing disk stops the journal for good, under a name.

use std::io::ErrorKind;

use super::*;
use crate::journal::durable::Sequence;
use crate::journal::fault::JournalFault;
use crate::journal::sim_storage::Failure;

type IsExpected = fn(&JournalFault) -> bool;

#[test]
fn every_fault_is_named_and_final() {
    let full = |fault: &JournalFault| matches!(fault, JournalFault::DiskFull { .. });
    let failed = |fault: &JournalFault| matches!(fault, JournalFault::WriteFailed { .. });
    let short = |fault: &JournalFault| matches!(fault, JournalFault::ShortWrite { wanted: 90, written: 13, .. });
    let sync = |fault: &JournalFault| matches!(fault, JournalFault::SyncFailed { kind: ErrorKind::Other, .. });
    let cases: [(Failure, IsExpected); 4] = [
        (Failure::Write { nth: 0, kind: ErrorKind::StorageFull }, full),
        (Failure::Write { nth: 0, kind: ErrorKind::Other }, failed),
        (Failure::ShortWrite { nth: 0, bytes: 13 }, short),
        (Failure::Sync { nth: 0, kind: ErrorKind::Other }, sync),
    ];
    for (failure, is_expected) in cases {
        let storage = SimStorage::default();
        let mut writer = written(&storage, 1, 10);
        storage.fail(failure);
        let fault = writer.append(&body(1, 10), 1, 0).and_then(|_| writer.sync()).unwrap_err();
        assert!(is_expected(&fault), "{fault}");
        assert_eq!(writer.append(b"again", 1, 0), Err(fault.clone()));
        assert_eq!(writer.sync(), Err(fault.clone()));
        assert_eq!(writer.prepare_next_segment(), Err(fault));
        // A new start goes on with all that was durable.
        let (mut writer, bodies, _) = recovered(storage.clone()).unwrap();
        assert_eq!(bodies[0], body(0, 10));
        writer.append(b"on", 1, 0).unwrap();
        writer.sync().unwrap();
    }
}

#[test]
fn a_disk_that_fills_up_stops_at_the_end_of_the_segment() {
    let storage = SimStorage::default();
    let mut writer = written(&storage, 1, 4000);
    storage.set_capacity(Some(usize::try_from(SEGMENT_BYTES_MIN).unwrap() * 3 / 2));
    assert!(writer.prepare_next_segment().unwrap());
    let fault = loop {
        match writer.append(&body(1, 4000), 1, 0) {
            Ok(_) => drop(writer.sync().unwrap()),
            Err(fault) => break fault,
        }
    };
    assert!(matches!(fault, JournalFault::DiskFull { .. }), "{fault}");
    let durable = writer.cursor().sequence;
    storage.set_capacity(None);
    let (mut writer, bodies, _) = recovered(storage).unwrap();
    assert_eq!(bodies.len() as u64, durable);
    writer.append(&body(2, 4000), 1, 0).unwrap();
    assert_eq!(writer.sync().unwrap().get(), Sequence(durable + 1));
}

#[test]
fn a_body_too_long_for_a_segment_is_refused() {
    let mut writer = written(&SimStorage::default(), 0, 0);
    let longest = CONFIG.body_bytes_max();
    writer.append(&vec![1; longest], 1, 0).unwrap();
    assert_eq!(writer.append(&vec![1; longest + 1], 1, 0), Err(JournalFault::BodyTooLarge { bytes: longest + 1 }));
}
