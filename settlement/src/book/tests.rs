use super::*;
use crate::stage::{Stage, content_hash};

#[test]
fn a_stage_comes_back_with_its_hash_or_not_at_all() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("settlement").join("book.redb");
    let book = Book::open(&path).unwrap();
    let writer = book.write().unwrap();
    let hash = writer.put_stage(3, Stage::Netting, b"legs").unwrap();
    assert_eq!(book.stage(3, Stage::Netting).unwrap(), None, "nothing shows before it is committed");
    writer.commit().unwrap();
    assert_eq!(book.stage(3, Stage::Netting).unwrap(), Some((hash, b"legs".to_vec())));
    assert_eq!(hash, content_hash(Stage::Netting, b"legs"));
    assert_eq!(book.epoch_newest().unwrap(), Some(3));
    let writer = book.write().unwrap();
    writer.discard_epoch(3).unwrap();
    writer.commit().unwrap();
    assert_eq!(book.epoch_newest().unwrap(), None);
}

#[test]
fn a_large_output_is_kept_in_parts() {
    let directory = tempfile::tempdir().unwrap();
    let book = Book::open(&directory.path().join("book.redb")).unwrap();
    let large: Vec<u8> = (0..STAGE_PART_BYTES * 2 + 5).map(|n| u8::try_from(n % 251).unwrap()).collect();
    for output in [&large[..], &large[..STAGE_PART_BYTES + 1], b"small"] {
        let writer = book.write().unwrap();
        let hash = writer.put_stage(1, Stage::Positions, output).unwrap();
        writer.commit().unwrap();
        assert_eq!(book.stage(1, Stage::Positions).unwrap(), Some((hash, output.to_vec())));
        assert_eq!(book.stage_hash(1, Stage::Positions).unwrap(), Some(hash));
    }
    assert_eq!(book.stage(2, Stage::Positions).unwrap(), None);
}

#[test]
fn one_run_at_a_time() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("book.redb");
    let _held = Book::open(&path).unwrap();
    assert!(matches!(Book::open(&path), Err(BookError::Busy(_))));
}
