//! What was durable survives; what was not may go, and nothing in between.

use proptest::prelude::*;

use super::*;
use crate::journal::durable::Sequence;
use crate::journal::reader::Tail;
use crate::journal::sim_storage::{Failure, Fate};

#[derive(Clone, Debug)]
enum Step {
    Append(usize),
    Sync,
    Prepare,
    Crash(u64),
    Kill,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..5000_usize).prop_map(Step::Append),
        3 => Just(Step::Sync),
        1 => Just(Step::Prepare),
        2 => any::<u64>().prop_map(Step::Crash),
        1 => Just(Step::Kill),
    ];
    prop::collection::vec(step, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever happens, recovery gives back a prefix of what was appended that holds all that was reported durable.
    #[test]
    fn what_was_durable_survives_every_crash(steps in steps()) {
        let storage = SimStorage::default();
        let mut writer = JournalWriter::create(storage.clone(), CONFIG).unwrap();
        let (mut appended, mut durable) = (Vec::new(), 0);
        for (number, step) in steps.into_iter().chain([Step::Crash(1)]).enumerate() {
            match step {
                Step::Append(length) => {
                    let body = body(number, length);
                    let sequence = writer.append(&body, 1, 0).unwrap();
                    appended.push(body);
                    prop_assert_eq!(sequence, Sequence(appended.len() as u64));
                }
                Step::Sync => {
                    durable = appended.len();
                    prop_assert_eq!(writer.sync().unwrap().get(), Sequence(durable as u64));
                }
                Step::Prepare => prop_assert!(!writer.prepare_next_segment().unwrap()),
                Step::Crash(_) | Step::Kill => {
                    if let Step::Crash(seed) = step {
                        storage.crash(&mut Fate(seed));
                    }
                    let (next, bodies, found) = recovered(storage.clone()).unwrap();
                    writer = next;
                    prop_assert!(bodies.len() >= durable, "{} blocks of {durable} durable ones", bodies.len());
                    prop_assert_eq!(&bodies[..], &appended[..bodies.len()]);
                    prop_assert_eq!(found.blocks, bodies.len() as u64);
                    appended = bodies;
                    durable = appended.len();
                }
            }
        }
    }
}

#[test]
fn a_torn_tail_is_overwritten_once() {
    let storage = SimStorage::default();
    drop(written(&storage, 2, 100));
    let name = segments(&storage)[0].clone();
    let mut bytes = storage.bytes(&name);
    // The second block loses its last half, and with it what was never acknowledged.
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    bytes[end - 60..].fill(0);
    storage.overwrite(&name, bytes);
    let (_, bodies, found) = recovered(storage.clone()).unwrap();
    assert_eq!(bodies, [body(0, 100)]);
    assert!(found.had_torn_tail());
    let (mut writer, _, found) = recovered(storage.clone()).unwrap();
    assert_eq!(found.end.tail, Tail::Clean);
    assert_eq!(writer.append(b"next", 1, 0).unwrap(), Sequence(2));
    writer.sync().unwrap();
    assert_eq!(recovered(storage).unwrap().1, [body(0, 100), b"next".to_vec()]);
}

#[test]
fn what_recovery_saw_is_durable_even_after_a_failed_sync() {
    let storage = SimStorage::default();
    let mut writer = written(&storage, 1, 10);
    writer.append(&body(1, 10), 1, 0).unwrap();
    storage.fail(Failure::Sync { nth: 0, kind: std::io::ErrorKind::Other });
    writer.sync().unwrap_err();
    // The process starts again on a cache that calls the lost bytes clean, applies them, and then the power fails.
    let (_, seen, _) = recovered(storage.clone()).unwrap();
    assert_eq!(seen.len(), 2);
    storage.crash(&mut Fate(0));
    assert_eq!(recovered(storage).unwrap().1, seen);
}
