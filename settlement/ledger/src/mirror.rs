//! A chain's ledger in a file: its log, folded into the same books that the embedded ledger keeps.
//!
//! A follower with a chain client writes it; hub and settlement read it as they read the embedded one. The books hold
//! what is final. What was seen beyond finality lies beside them as a tail of events, replaced as a whole at every step,
//! so a reorganisation of the chain has nothing to undo.

mod fold;

use std::path::Path;

use farthing_channel::codec::encode_to_vec;
use farthing_channel::id::Hash32;
use farthing_channel::time::UnixSeconds;
use minicbor::{Decode, Encode};
use redb::ReadableTable as _;

use crate::base::LedgerIdentity;
use crate::batch::LeafSet;
use crate::books::Books;
use crate::books::file::LedgerFile;
use crate::books::rows::{self, decode};
use crate::error::LedgerError;
use crate::event::{Event, LoggedEvent, StoredEvent};
use crate::operation::{Issue, SignedOperation};
use crate::rules;
use crate::view::{LedgerReader, LedgerView, tail};

/// A block of the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct BlockPlace {
    /// Its number.
    #[n(0)]
    pub number: u64,
    /// Its hash.
    #[n(1)]
    pub hash: Hash32,
}

/// A fact of the chain's log, in the ledger's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MirroredEvent {
    /// The time of its block.
    pub at: UnixSeconds,
    /// What happened.
    pub event: Event,
}

impl From<MirroredEvent> for StoredEvent {
    fn from(MirroredEvent { at, event }: MirroredEvent) -> Self {
        Self { at, event }
    }
}

/// A step of the follower.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advance {
    /// Where the mirror stood when the step was prepared.
    pub from: BlockPlace,
    /// The newest final block now.
    pub to: BlockPlace,
    /// What happened in between, in order.
    pub finals: Vec<MirroredEvent>,
    /// What happened after it, in order, as far as the chain goes now.
    pub tail: Vec<MirroredEvent>,
}

/// A mirror's file. Cheap to clone; several may stand for one file, also in different processes.
#[derive(Debug, Clone)]
pub struct LedgerMirror {
    reader: LedgerReader,
}

impl LedgerMirror {
    /// Makes a new mirror at `path`, which must not exist, of the ledger whose contracts were not there before `from`.
    ///
    /// # Errors
    /// [`LedgerError::Genesis`] for a ledger that is on no chain; [`LedgerError::Storage`], also where the file exists.
    pub fn create(path: impl AsRef<Path>, identity: &LedgerIdentity, from: BlockPlace) -> Result<Self, LedgerError> {
        if identity.chain.is_none() {
            return Err(LedgerError::Genesis("only a ledger on a chain has a mirror"));
        }
        let file = LedgerFile::create(path.as_ref(), |transaction| {
            let mut books = Books::open(transaction, UnixSeconds(0))?;
            books.write_identity(identity)?;
            books.finish()?;
            transaction.open_table(rows::LEAVES)?;
            write_block(transaction, &from)
        })?;
        Ok(Self { reader: LedgerReader { file, identity: identity.clone() } })
    }

    /// Opens the mirror at `path`.
    ///
    /// # Errors
    /// As [`LedgerReader::open`]; [`LedgerError::Damaged`] too where the books are the embedded ledger's own.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, LedgerError> {
        let reader = LedgerReader::open(path)?;
        if reader.identity.chain.is_none() {
            return Err(LedgerError::damaged("these are an embedded ledger's own books, and no mirror"));
        }
        Ok(Self { reader })
    }

    /// The block up to which the books go.
    ///
    /// # Errors
    /// As [`LedgerView::heads`].
    pub fn block(&self) -> Result<BlockPlace, LedgerError> {
        self.reader.file.read(|transaction| {
            let meta = transaction.open_table(rows::META)?;
            let row = meta.get(rows::META_BLOCK)?.ok_or_else(|| LedgerError::damaged("block is missing"))?;
            decode(row.value(), "block")
        })
    }

    /// Takes in a step of the follower. `false` where another follower was faster, and nothing changed.
    ///
    /// # Errors
    /// [`LedgerError::Damaged`] where an event does not follow from the books; and as [`LedgerView::heads`].
    pub fn advance(&self, step: Advance) -> Result<bool, LedgerError> {
        let tail_new: Vec<StoredEvent> = step.tail.into_iter().map(StoredEvent::from).collect();
        let unchanged = step.finals.is_empty() && self.reader.file.read(tail)? == tail_new;
        if unchanged && step.to.number < step.from.number.saturating_add(QUIET_BLOCKS) {
            return Ok(true);
        }
        self.reader.file.write(|transaction| {
            {
                let meta = transaction.open_table(rows::META)?;
                let row = meta.get(rows::META_BLOCK)?.ok_or_else(|| LedgerError::damaged("block is missing"))?;
                if decode::<BlockPlace>(row.value(), "block")? != step.from {
                    return Ok(false);
                }
            }
            let leaves = transaction.open_table(rows::LEAVES)?;
            let mut books = Books::open(transaction, UnixSeconds(0))?;
            fold::fold(&mut books, &leaves, &step.finals)?;
            books.finish()?;
            let mut meta = transaction.open_table(rows::META)?;
            meta.insert(rows::META_TAIL, encode_to_vec(&tail_new).as_slice())?;
            drop(meta);
            write_block(transaction, &step.to)?;
            Ok(true)
        })
    }

    /// What the ledger's rules say to `operation` now, and what it would leave; nothing of it stays. The payer's own money
    /// is on the chain and not in these books, so a payer is taken to have what it deposits.
    ///
    /// # Errors
    /// [`LedgerError::Refused`]; and as [`LedgerView::heads`].
    pub fn rehearse(&self, operation: &SignedOperation, now: UnixSeconds) -> Result<Vec<LoggedEvent>, LedgerError> {
        let identity = &self.reader.identity;
        let checked = rules::check(identity, operation, |id| self.escrow(id))?;
        let needed = match operation {
            SignedOperation::OpenEscrow(signed) => Some((signed.operation.terms.payer, signed.operation.deposit)),
            SignedOperation::TopUp(signed) => {
                self.escrow(&signed.operation.escrow)?.map(|escrow| (escrow.payer, signed.operation.amount))
            }
            _ => None,
        };
        self.reader.file.rehearse(|transaction| {
            let mut books = Books::open(transaction, now)?;
            if let Some((account, amount)) = needed
                && let Ok(amount) = u64::try_from(amount)
                && amount > 0
            {
                rules::account::issue(&mut books, &Issue { reference: Hash32([0xff; 32]), account, amount })?;
            }
            checked.apply(identity, &mut books)?;
            books.finish()
        })
    }

    /// Keeps the leaves of a batch that is about to be posted, under its root.
    ///
    /// # Errors
    /// As [`LedgerView::heads`].
    pub fn keep_leaves(&self, root: &Hash32, leaves: &LeafSet) -> Result<(), LedgerError> {
        self.reader.file.write(|transaction| {
            transaction.open_table(rows::LEAVES)?.insert(&root.0, encode_to_vec(leaves).as_slice())?;
            Ok(())
        })
    }

    /// The leaves that were kept under `root`.
    ///
    /// # Errors
    /// As [`LedgerView::heads`].
    pub fn leaves(&self, root: &Hash32) -> Result<Option<LeafSet>, LedgerError> {
        self.reader.file.read(|transaction| {
            let table = transaction.open_table(rows::LEAVES)?;
            table.get(&root.0)?.map(|row| decode(row.value(), "leaves")).transpose()
        })
    }
}

/// Blocks without events after which the mirror's place is written all the same.
const QUIET_BLOCKS: u64 = 256;

fn write_block(transaction: &redb::WriteTransaction, block: &BlockPlace) -> Result<(), LedgerError> {
    transaction.open_table(rows::META)?.insert(rows::META_BLOCK, encode_to_vec(block).as_slice())?;
    Ok(())
}

impl LedgerView for LedgerMirror {
    fn reader(&self) -> &LedgerReader {
        &self.reader
    }
}
