use std::sync::Mutex;
use std::sync::mpsc;
use std::time::Duration;

use super::*;
use crate::journal::config::{JournalConfig, SEGMENT_BYTES_MIN};
use crate::journal::reader::JournalReader;
use crate::journal::sim_storage::{Event, Failure, SimStorage};

const CONFIG: JournalConfig = JournalConfig { hub: [7; 20], thread: 0, term: 1, segment_bytes: SEGMENT_BYTES_MIN };
/// Long enough for any machine; no test waits for it to pass.
const PATIENCE: Duration = Duration::from_secs(60);

fn started(storage: &SimStorage) -> (CommitThread, mpsc::Receiver<()>) {
    let writer = JournalWriter::create(storage.clone(), CONFIG).unwrap();
    let (sender, notified) = mpsc::channel();
    let sender = Mutex::new(sender);
    let notify = Arc::new(move || {
        // A test that does not listen has dropped the receiver.
        let _ = sender.lock().unwrap().send(());
    });
    let hooks = Hooks { now_ms: Box::new(|| 5), notify };
    (CommitThread::start(writer, hooks).unwrap(), notified)
}

fn batch(text: &str) -> Batch {
    Batch { body: text.as_bytes().to_vec(), count: 1 }
}

fn bodies(storage: &SimStorage) -> Vec<(u32, Vec<u8>)> {
    let mut reader = JournalReader::open(storage.clone(), CONFIG.hub, 0, CONFIG.genesis()).unwrap();
    let mut bodies = Vec::new();
    while let Some(block) = reader.next_block().unwrap() {
        bodies.push((block.header.record_count, block.body.to_vec()));
    }
    bodies
}

/// Holds every sync until told to go on.
fn gate(storage: &SimStorage) -> (mpsc::Receiver<()>, mpsc::Sender<()>) {
    let (entered, syncing) = mpsc::channel();
    let (release, released) = mpsc::channel();
    let hook = Mutex::new((entered, released));
    storage.on_sync(Arc::new(move || {
        let hook = hook.lock().unwrap();
        let _ = hook.0.send(());
        // An error means that the test needs no gate any more.
        let _: Result<(), _> = hook.1.recv();
    }));
    (syncing, release)
}

#[test]
fn a_ticket_is_durable_only_after_the_sync_and_what_waits_becomes_one_block() {
    let storage = SimStorage::default();
    let (thread, notified) = started(&storage);
    let handle = thread.handle();
    let (syncing, release) = gate(&storage);
    let first = handle.submit(batch("a")).unwrap();
    syncing.recv_timeout(PATIENCE).unwrap();
    // The bytes are written, the sync is on its way: nobody may be told.
    assert_eq!((handle.durable(), handle.is_durable(first)), (Ticket(0), None));
    let rest: Vec<_> = ["b", "c", "d"].map(|text| handle.submit(batch(text)).unwrap()).into();
    release.send(()).unwrap();
    notified.recv_timeout(PATIENCE).unwrap();
    assert_eq!(handle.is_durable(first).unwrap().get(), first);
    assert_eq!(handle.is_durable(rest[2]), None);
    syncing.recv_timeout(PATIENCE).unwrap();
    release.send(()).unwrap();
    assert_eq!(handle.wait_durable(rest[2], PATIENCE).unwrap().get(), Ticket(4));
    drop(release);
    assert_eq!(thread.stop().unwrap().get(), Sequence(2));
    assert_eq!(bodies(&storage), [(1, b"a".to_vec()), (3, b"bcd".to_vec())]);
}

#[test]
fn every_publication_follows_a_sync_of_what_was_written() {
    let storage = SimStorage::default();
    let writer = JournalWriter::create(storage.clone(), CONFIG).unwrap();
    let handle = Arc::new(Mutex::new(None::<JournalHandle>));
    let (log, seen) = (storage.clone(), Arc::clone(&handle));
    let notify = Arc::new(move || {
        if let Some(handle) = &*seen.lock().unwrap() {
            log.record(Event::Published(handle.durable().0));
        }
    });
    let thread = CommitThread::start(writer, Hooks { now_ms: Box::new(|| 5), notify }).unwrap();
    *handle.lock().unwrap() = Some(thread.handle());
    for _ in 0..50 {
        let ticket = thread.handle().submit(Batch { body: vec![1; 900], count: 1 }).unwrap();
        thread.handle().wait_durable(ticket, PATIENCE).unwrap();
    }
    *handle.lock().unwrap() = None;
    thread.stop().unwrap();
    let mut unsynced = None;
    let mut published = 0;
    for event in storage.events() {
        match event {
            Event::Wrote(name) if name.starts_with("journal") => unsynced = Some(name),
            Event::Synced(name) if unsynced.as_ref() == Some(&name) => unsynced = None,
            Event::Published(ticket) if ticket > published => {
                assert_eq!(unsynced, None, "ticket {ticket} was published before its sync");
                published = ticket;
            }
            _ => {}
        }
    }
    assert!(published >= 49);
}

#[test]
fn after_a_failed_sync_nothing_is_ever_durable_again() {
    for failure in [
        Failure::Sync { nth: 0, kind: std::io::ErrorKind::Other },
        Failure::Write { nth: 0, kind: std::io::ErrorKind::StorageFull },
        Failure::ShortWrite { nth: 0, bytes: 3 },
    ] {
        let storage = SimStorage::default();
        let (thread, notified) = started(&storage);
        let handle = thread.handle();
        storage.fail(failure);
        let ticket = handle.submit(batch("lost")).unwrap();
        notified.recv_timeout(PATIENCE).unwrap();
        let Err(WaitError::Stopped(Some(fault))) = handle.wait_durable(ticket, PATIENCE) else {
            panic!("the fault is not told");
        };
        // The thread ends after it told the fault; only then is the queue gone.
        assert_eq!(thread.stop(), Err(fault.clone()));
        assert_eq!(handle.submit(batch("more")), Err(SubmitError::Stopped(Some(fault))));
        assert_eq!(handle.durable(), Ticket(0));
    }
}

#[test]
fn a_full_queue_gives_the_batch_back() {
    let storage = SimStorage::default();
    let (thread, _notified) = started(&storage);
    let handle = thread.handle();
    let (syncing, release) = gate(&storage);
    handle.submit(batch("first")).unwrap();
    syncing.recv_timeout(PATIENCE).unwrap();
    for _ in 0..QUEUE_BATCHES {
        handle.submit(batch("x")).unwrap();
    }
    assert_eq!(handle.submit(batch("one too many")), Err(SubmitError::Full(batch("one too many"))));
    let long = Batch { body: vec![0; handle.body_bytes_max() + 1], count: 1 };
    assert!(matches!(handle.submit(long), Err(SubmitError::TooLarge(_))));
    drop(release);
    thread.stop().unwrap();
    assert_eq!(handle.committed_totals(), (2, 65, 69));
    assert_eq!(handle.buffer().len(), 0);
    assert_eq!(handle.submit(batch("late")), Err(SubmitError::Stopped(None)));
}

#[test]
fn batches_that_do_not_fit_together_go_into_several_blocks() {
    let storage = SimStorage::default();
    let (thread, _notified) = started(&storage);
    let handle = thread.handle();
    let big = handle.body_bytes_max() / 2 + 1;
    let (syncing, release) = gate(&storage);
    handle.submit(batch("first")).unwrap();
    syncing.recv_timeout(PATIENCE).unwrap();
    for _ in 0..3 {
        handle.submit(Batch { body: vec![9; big], count: 2 }).unwrap();
    }
    drop(release);
    assert_eq!(thread.stop().unwrap().get(), Sequence(4));
    let written: Vec<_> = bodies(&storage).iter().map(|(count, body)| (*count, body.len())).collect();
    assert_eq!(written, [(1, 5), (2, big), (2, big), (2, big)]);
}

#[test]
fn a_panic_of_the_thread_is_a_fault() {
    let storage = SimStorage::default();
    let (thread, notified) = started(&storage);
    let handle = thread.handle();
    storage.on_sync(Arc::new(|| panic!("the thread of this test dies here")));
    let ticket = handle.submit(batch("a")).unwrap();
    notified.recv_timeout(PATIENCE).unwrap();
    let died = Some(JournalFault::ThreadDied);
    assert_eq!(handle.wait_durable(ticket, PATIENCE), Err(WaitError::Stopped(died)));
    assert_eq!(thread.stop(), Err(JournalFault::ThreadDied));
}
