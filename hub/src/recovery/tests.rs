use farthing_channel::id::Hash32;

use super::*;

const HUB: [u8; 20] = [7; 20];
const SIZES: StateSizes =
    StateSizes { segment_bytes: 1024 * 1024, checkpoint_cache_bytes: 1024 * 1024, units_in_memory_max: 2 };

/// Starts a hub's state, writes `blocks` blocks as a running hub would, and stops. Returns what recovery found and
/// the place of every block written by this run, the one that begins the term first.
fn run(directory: &Path, settled: Option<&JournalCursor>, blocks: u64) -> (Recovered, Vec<JournalCursor>) {
    let mut recovered = recover(directory, HUB, &SIZES, settled, 1_000).unwrap();
    let mut places = vec![place(&recovered.writer.cursor())];
    for number in 0..blocks {
        let record = Record::LedgerCursor { cursor: number + 1 };
        recovered.writer.append(&encode_to_vec(&record), 1, 2_000).unwrap();
        recovered.writer.sync().unwrap();
        places.push(place(&recovered.writer.cursor()));
    }
    (recovered, places)
}

fn place(cursor: &ChainCursor) -> JournalCursor {
    let ChainCursor { term, sequence, hash } = *cursor;
    JournalCursor { thread: 0, term, sequence, block_hash: Hash32(hash.0) }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to.join("journal")).unwrap();
    for entry in std::fs::read_dir(from.join("journal")).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, to.join("journal").join(path.file_name().unwrap())).unwrap();
    }
}

#[test]
fn every_start_begins_a_higher_term() {
    let directory = tempfile::tempdir().unwrap();
    let (first, places) = run(directory.path(), None, 3);
    assert_eq!((first.term, first.behind_ledger), (1, None));
    drop(first);
    for settled in &places {
        let (again, _) = run(directory.path(), Some(settled), 0);
        assert_eq!(again.behind_ledger, None, "what the ledger settled is in the journal: {settled:?}");
    }
    let (last, _) = run(directory.path(), places.last(), 0);
    assert_eq!(last.term, 1 + 4 + 1);
}

#[test]
fn a_restored_journal_is_noticed_until_it_is_settled_itself() {
    let directory = tempfile::tempdir().unwrap();
    let (lost, restored) = (directory.path().join("lost"), directory.path().join("restored"));
    drop(run(&lost, None, 2));
    copy(&lost, &restored);
    drop(run(&lost, None, 1));
    let (_, places) = run(&lost, None, 2);
    let settled = places.last().unwrap();
    assert_eq!((settled.term, settled.sequence), (3, 8));
    // The backup ends in the first term; the hub takes it over under a term that no lost block has on the ledger.
    let (first, own) = run(&restored, Some(settled), 9);
    assert_eq!((first.term, first.behind_ledger), (4, Some(*settled)));
    drop(first);
    // It has grown past the block since, but another block has its number.
    let (second, _) = run(&restored, Some(settled), 0);
    assert_eq!((second.term, second.behind_ledger), (5, Some(*settled)));
    drop(second);
    let (third, _) = run(&restored, own.first(), 0);
    assert_eq!((third.term, third.behind_ledger), (6, None));
}

#[test]
fn a_journal_that_was_lost_is_behind_and_not_of_the_first_term() {
    let directory = tempfile::tempdir().unwrap();
    let settled = JournalCursor { thread: 0, term: 12, sequence: 900, block_hash: Hash32([1; 32]) };
    let (recovered, _) = run(directory.path(), Some(&settled), 0);
    assert_eq!((recovered.term, recovered.behind_ledger), (13, Some(settled)));
}

#[test]
fn only_the_very_block_counts_as_held() {
    let directory = tempfile::tempdir().unwrap();
    let (recovered, places) = run(directory.path(), None, 3);
    let end = recovered.writer.cursor().sequence;
    let held = |cursor: &JournalCursor| journal_holds(&directory.path().join("journal"), HUB, cursor, end).unwrap();
    assert!(places.iter().all(held));
    assert!(!held(&JournalCursor { block_hash: Hash32([1; 32]), ..places[1] }));
    assert!(!held(&JournalCursor { sequence: end + 1, ..places[1] }));
}

#[test]
fn an_epoch_of_a_lost_journal_frees_no_block_of_this_one() {
    let directory = tempfile::tempdir().unwrap();
    let (lost, restored) = (directory.path().join("lost"), directory.path().join("restored"));
    let (_, early) = run(&lost, None, 2);
    copy(&lost, &restored);
    let (_, late) = run(&lost, None, 3);
    let (recovered, own) = run(&restored, late.last(), 20);
    let end = recovered.writer.cursor().sequence;
    let through = |cursor: &JournalCursor, before| {
        settled_through(&restored.join("journal"), HUB, std::slice::from_ref(cursor), end, before).unwrap()
    };
    assert_eq!(through(&early[1], 0), early[1].sequence, "what both journals hold is settled in both");
    assert_eq!(through(late.last().unwrap(), 2), 2, "another block has this number here");
    assert_eq!(through(&own[4], 2), own[4].sequence);
    assert_eq!(through(&early[1], own[4].sequence), own[4].sequence, "it never goes back");
    assert_eq!(settled_through(&restored.join("journal"), HUB, &[], end, 2).unwrap(), 2);
}
