//! Words that are written together and read together.

use crate::sync::{AtomicU64, Ordering, fence, spin_loop};

/// `N` words behind a sequence number (a seqlock; Boehm, "Can seqlocks get along with programming language memory
/// models?", MSPC 2012). A write is a handful of plain stores. A read that meets a write is made again, so readers
/// never hold up the writer.
///
/// One writer at a time: who writes holds what the words belong to ([`Hold`](crate::Hold)). Two writers at once would
/// not be unsound, every word being atomic, but could mix their words.
#[derive(Debug)]
pub struct Snapshot<const N: usize> {
    /// Even while the words are whole, odd while they are being written.
    sequence: AtomicU64,
    words: [AtomicU64; N],
}

impl<const N: usize> Snapshot<N> {
    /// A snapshot of `words`.
    #[must_use]
    pub fn new(words: [u64; N]) -> Self {
        Self { sequence: AtomicU64::new(0), words: words.map(AtomicU64::new) }
    }

    /// Replaces all words.
    pub fn write(&self, words: &[u64; N]) {
        let sequence = self.sequence.load(Ordering::Relaxed);
        self.sequence.store(sequence.wrapping_add(1), Ordering::Relaxed);
        // Whoever sees one of the words below sees that the sequence is odd, or a later one.
        fence(Ordering::Release);
        for (place, word) in self.words.iter().zip(words) {
            place.store(*word, Ordering::Relaxed);
        }
        self.sequence.store(sequence.wrapping_add(2), Ordering::Release);
    }

    /// The words of one write.
    #[must_use]
    pub fn read(&self) -> [u64; N] {
        loop {
            let before = self.sequence.load(Ordering::Acquire);
            if before.is_multiple_of(2) {
                let words = self.read_own();
                fence(Ordering::Acquire);
                if self.sequence.load(Ordering::Relaxed) == before {
                    return words;
                }
            }
            spin_loop();
        }
    }

    /// The words as the only writer left them: cheaper, and right for nobody else.
    #[must_use]
    pub fn read_own(&self) -> [u64; N] {
        std::array::from_fn(|at| self.words[at].load(Ordering::Relaxed))
    }

    /// One word by itself, which may be newer or older than the others.
    #[must_use]
    pub fn word(&self, at: usize) -> u64 {
        self.words.get(at).map_or(0, |word| word.load(Ordering::Acquire))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let snapshot = Snapshot::new([1, 2, 3]);
        assert_eq!(snapshot.read(), [1, 2, 3]);
        snapshot.write(&[4, 5, 6]);
        assert_eq!((snapshot.read(), snapshot.read_own(), snapshot.word(2)), ([4, 5, 6], [4, 5, 6], 6));
        assert_eq!(snapshot.word(3), 0);
    }
}
