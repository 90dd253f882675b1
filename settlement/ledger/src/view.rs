//! Reading a ledger's books.
//!
//! Every ledger keeps its books in one redb file: the embedded one writes them by its rules, a mirror folds them from a
//! chain's log. So one reader serves both, and who only follows a ledger (the hub) needs no more than that.

use std::path::Path;

use farthing_channel::id::{Address, EscrowId, Hash32, LaneId};
use redb::{ReadTransaction, ReadableTable as _, ReadableTableMetadata as _};

use crate::account::Account;
use crate::base::{Audit, ChangeMark, LedgerHeads, LedgerIdentity};
use crate::books::audit;
use crate::books::file::LedgerFile;
use crate::books::rows::{self, ChannelRow, channel_key, decode};
use crate::error::LedgerError;
use crate::escrow::{Escrow, Revocation, SettledChannel};
use crate::event::{ClosedEpoch, LoggedEvent, StoredEvent};
use crate::limits::EVENTS_PER_READ_MAX;

/// Reads the books of a ledger, whichever writes them. Cheap to clone; it holds nothing open between calls.
#[derive(Debug, Clone)]
pub struct LedgerReader {
    pub(crate) file: LedgerFile,
    pub(crate) identity: LedgerIdentity,
}

impl LedgerReader {
    /// Opens the books at `path`.
    ///
    /// # Errors
    /// [`LedgerError::Storage`] where there is no file, [`LedgerError::Damaged`] where it holds no books,
    /// [`LedgerError::Busy`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, LedgerError> {
        let file = LedgerFile::new(path.as_ref());
        let identity = file.read(|transaction| {
            let meta = transaction.open_table(rows::META)?;
            let row = meta.get(rows::META_IDENTITY)?.ok_or_else(|| LedgerError::damaged("identity is missing"))?;
            decode::<LedgerIdentity>(row.value(), "identity")
        })?;
        Ok(Self { file, identity })
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    fn read<T>(&self, query: impl FnOnce(&ReadTransaction) -> Result<T, LedgerError>) -> Result<T, LedgerError> {
        self.file.read(query)
    }
}

/// What a mirror has seen beyond finality, oldest first; empty on a ledger where everything is final at once.
pub(crate) fn tail(transaction: &ReadTransaction) -> Result<Vec<StoredEvent>, LedgerError> {
    match transaction.open_table(rows::META)?.get(rows::META_TAIL)? {
        Some(row) => decode(row.value(), "tail"),
        None => Ok(Vec::new()),
    }
}

/// What a ledger shows. Everything but [`Self::events`] beyond [`LedgerHeads::finalized`] is final.
pub trait LedgerView: std::fmt::Debug + Send + Sync {
    /// The books.
    fn reader(&self) -> &LedgerReader;

    /// Which ledger it is.
    fn identity(&self) -> &LedgerIdentity {
        &self.reader().identity
    }

    /// How far the log reaches.
    ///
    /// # Errors
    /// [`LedgerError::Busy`], [`LedgerError::Storage`], [`LedgerError::Damaged`], as for every read below.
    fn heads(&self) -> Result<LedgerHeads, LedgerError> {
        self.reader().read(|transaction| {
            let finalized = transaction.open_table(rows::EVENTS)?.len()?;
            let beyond = u64::try_from(tail(transaction)?.len()).unwrap_or(u64::MAX);
            Ok(LedgerHeads { head: finalized.saturating_add(beyond), finalized })
        })
    }

    /// At most `max` events after cursor `after`, in order. Those beyond finality may be gone, or others, when asked for
    /// again.
    ///
    /// # Errors
    /// As [`Self::heads`].
    fn events(&self, after: u64, max: usize) -> Result<Vec<LoggedEvent>, LedgerError> {
        let Some(first) = after.checked_add(1) else {
            return Ok(Vec::new());
        };
        let max = max.min(EVENTS_PER_READ_MAX);
        self.reader().read(|transaction| {
            let table = transaction.open_table(rows::EVENTS)?;
            let mut events = Vec::new();
            for row in table.range(first..)?.take(max) {
                let (cursor, bytes) = row?;
                let StoredEvent { at, event } = decode(bytes.value(), "event")?;
                events.push(LoggedEvent { cursor: cursor.value(), at, event });
            }
            let finalized = table.len()?;
            let beyond = (finalized.saturating_add(1)..).zip(tail(transaction)?);
            let beyond = beyond.map(|(cursor, StoredEvent { at, event })| LoggedEvent { cursor, at, event });
            events.extend(beyond.filter(|logged| logged.cursor >= first));
            events.truncate(max);
            Ok(events)
        })
    }

    /// A mark of how the ledger looks from outside: two equal ones mean that nothing happened in between. Cheap enough to
    /// be asked for many times a second; take it before reading, so that a change in between is seen again, not missed.
    ///
    /// # Errors
    /// As [`Self::heads`].
    fn mark(&self) -> Result<ChangeMark, LedgerError> {
        self.reader().file.mark()
    }

    /// An escrow.
    ///
    /// # Errors
    /// As [`Self::heads`].
    fn escrow(&self, id: &EscrowId) -> Result<Option<Escrow>, LedgerError> {
        self.reader().read(|transaction| rows::find_escrow(&transaction.open_table(rows::ESCROWS)?, id))
    }

    /// All escrows, by id.
    ///
    /// # Errors
    /// As [`Self::heads`].
    fn escrows(&self) -> Result<Vec<Escrow>, LedgerError> {
        self.reader().read(|transaction| {
            let table = transaction.open_table(rows::ESCROWS)?;
            table.iter()?.map(|row| decode(row?.1.value(), "escrow")).collect()
        })
    }

    /// An account; one on which nothing happened yet is empty.
    ///
    /// # Errors
    /// As [`Self::heads`].
    fn account(&self, address: &Address) -> Result<Account, LedgerError> {
        self.reader().read(|transaction| rows::find_account(&transaction.open_table(rows::ACCOUNTS)?, address))
    }

    /// All accounts, by address.
    ///
    /// # Errors
    /// As [`Self::heads`].
    fn accounts(&self) -> Result<Vec<Account>, LedgerError> {
        self.reader().read(|transaction| {
            let table = transaction.open_table(rows::ACCOUNTS)?;
            table.iter()?.map(|row| decode(row?.1.value(), "account")).collect()
        })
    }

    /// What is settled of each of `lanes`, base units since opening; zero for a lane never settled.
    ///
    /// # Errors
    /// As [`Self::heads`].
    fn lanes_settled(&self, lanes: &[LaneId]) -> Result<Vec<u64>, LedgerError> {
        self.reader().read(|transaction| {
            let table = transaction.open_table(rows::LANES)?;
            lanes.iter().map(|lane| rows::lane_total(&table, lane)).collect()
        })
    }

    /// What is settled of one lane.
    ///
    /// # Errors
    /// As [`Self::heads`].
    fn lane_settled(&self, lane: &LaneId) -> Result<u64, LedgerError> {
        Ok(self.lanes_settled(std::slice::from_ref(lane))?.first().copied().unwrap_or(0))
    }

    /// What batches of leaves last settled for each channel of an escrow, by device. A claim under the serial told here
    /// needs no mandate again.
    ///
    /// # Errors
    /// As [`Self::heads`].
    fn channels_settled(&self, escrow: &EscrowId) -> Result<Vec<SettledChannel>, LedgerError> {
        self.reader().read(|transaction| {
            let table = transaction.open_table(rows::CHANNELS)?;
            let (first, last) = (channel_key(escrow, &Address::ZERO), channel_key(escrow, &Address([0xff; 20])));
            let mut channels = Vec::new();
            for row in table.range::<&rows::ChannelKey>(&first..=&last)? {
                let ChannelRow { mandate, total } = decode(row?.1.value(), "channel")?;
                channels.push(SettledChannel { device: mandate.device, serial: mandate.serial, total });
            }
            Ok(channels)
        })
    }

    /// All revocations under an escrow, by device and serial.
    ///
    /// # Errors
    /// As [`Self::heads`].
    fn revocations(&self, escrow: &EscrowId) -> Result<Vec<Revocation>, LedgerError> {
        self.reader().read(|transaction| rows::revocations(&transaction.open_table(rows::REVOCATIONS)?, escrow))
    }

    /// The last closed epoch of a hub.
    ///
    /// # Errors
    /// As [`Self::heads`].
    fn epoch_last(&self, hub: &Address) -> Result<Option<ClosedEpoch>, LedgerError> {
        self.reader().read(|transaction| rows::epoch_last(&transaction.open_table(rows::EPOCHS)?, hub))
    }

    /// Whether a proposal's transfers were executed.
    ///
    /// # Errors
    /// As [`Self::heads`].
    fn proposal_executed(&self, proposal: &Hash32) -> Result<bool, LedgerError> {
        self.reader().read(|transaction| Ok(transaction.open_table(rows::PROPOSALS)?.get(&proposal.0)?.is_some()))
    }

    /// Adds everything up from scratch.
    ///
    /// # Errors
    /// [`LedgerError::NotConserved`] where the sums differ, [`LedgerError::Damaged`] where the books contradict each
    /// other; and as [`Self::heads`].
    fn audit(&self) -> Result<Audit, LedgerError> {
        self.reader().read(audit::audit)
    }
}

impl LedgerView for LedgerReader {
    fn reader(&self) -> &LedgerReader {
        self
    }
}
