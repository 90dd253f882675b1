//! How the ledger lies in its tables: keys, rows and look-ups.

use farthing_channel::codec::decode_exact;
use farthing_channel::id::{Address, EscrowId, LaneId};
use farthing_channel::mandate::MandateTerms;
use farthing_channel::time::UnixSeconds;
use minicbor::{Decode, Encode};
use redb::{ReadableTable, TableDefinition};

use crate::account::Account;
use crate::error::LedgerError;
use crate::escrow::{Escrow, Revocation};
use crate::event::ClosedEpoch;

pub(crate) type Bytes = &'static [u8];
/// escrow id, device
pub(crate) type ChannelKey = [u8; 52];
/// escrow id, device, serial
pub(crate) type RevocationKey = [u8; 60];
/// approver, participant
pub(crate) type ApproverKey = [u8; 40];
/// hub, epoch
pub(crate) type EpochKey = [u8; 28];

pub(crate) const META: TableDefinition<'_, &str, Bytes> = TableDefinition::new("meta");
pub(crate) const ACCOUNTS: TableDefinition<'_, &[u8; 20], Bytes> = TableDefinition::new("accounts");
pub(crate) const ESCROWS: TableDefinition<'_, &[u8; 32], Bytes> = TableDefinition::new("escrows");
pub(crate) const CHANNELS: TableDefinition<'_, &ChannelKey, Bytes> = TableDefinition::new("channels");
pub(crate) const LANES: TableDefinition<'_, &[u8; 32], Bytes> = TableDefinition::new("lanes");
pub(crate) const REVOCATIONS: TableDefinition<'_, &RevocationKey, u64> = TableDefinition::new("revocations");
pub(crate) const REFERENCES: TableDefinition<'_, &[u8; 32], u64> = TableDefinition::new("references");
pub(crate) const PROPOSALS: TableDefinition<'_, &[u8; 32], u64> = TableDefinition::new("proposals");
pub(crate) const EPOCHS: TableDefinition<'_, &EpochKey, Bytes> = TableDefinition::new("epochs");
pub(crate) const APPROVERS: TableDefinition<'_, &ApproverKey, u64> = TableDefinition::new("approvers");
pub(crate) const EVENTS: TableDefinition<'_, u64, Bytes> = TableDefinition::new("events");

/// Leaves of batches that were handed in on a chain, by root; a chain keeps the root alone.
pub(crate) const LEAVES: TableDefinition<'_, &[u8; 32], Bytes> = TableDefinition::new("leaves");

pub(crate) const META_IDENTITY: &str = "identity";
pub(crate) const META_COUNTERS: &str = "counters";
/// How far a mirror has followed its chain.
pub(crate) const META_BLOCK: &str = "block";
/// What a mirror has seen beyond finality.
pub(crate) const META_TAIL: &str = "tail";

/// Sums carried along with every change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Encode, Decode)]
pub(crate) struct Counters {
    /// Everything that came in, less what was paid out.
    #[n(0)]
    pub(crate) issued: u64,
    /// Sum over accounts.
    #[n(1)]
    pub(crate) accounts: u64,
    /// Sum over escrows of what they hold.
    #[n(2)]
    pub(crate) escrows: u64,
    /// Events in the log.
    #[n(3)]
    pub(crate) events: u64,
}

/// What the ledger keeps of a channel it has settled.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct ChannelRow {
    /// The mandate its last leaf stood under, verified.
    #[n(0)]
    pub(crate) mandate: MandateTerms,
    /// Sum over its lanes.
    #[n(1)]
    pub(crate) total: u64,
}

/// What the ledger keeps of a lane it has settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub(crate) struct LaneRow {
    #[n(0)]
    pub(crate) escrow: EscrowId,
    /// The device; for a lone payer, whose lane is the escrow itself, its signer.
    #[n(1)]
    pub(crate) device: Address,
    #[n(2)]
    pub(crate) total: u64,
}

pub(crate) fn decode<'b, T: Decode<'b, ()> + Encode<()>>(bytes: &'b [u8], what: &str) -> Result<T, LedgerError> {
    decode_exact(bytes).map_err(|error| LedgerError::damaged(format_args!("{what}: {error}")))
}

pub(crate) fn channel_key(escrow: &EscrowId, device: &Address) -> ChannelKey {
    let mut key = [0; 52];
    key[..32].copy_from_slice(&escrow.0);
    key[32..].copy_from_slice(&device.0);
    key
}

pub(crate) fn revocation_key(escrow: &EscrowId, device: &Address, serial: u64) -> RevocationKey {
    let mut key = [0; 60];
    key[..52].copy_from_slice(&channel_key(escrow, device));
    key[52..].copy_from_slice(&serial.to_be_bytes());
    key
}

pub(crate) fn approver_key(approver: &Address, account: &Address) -> ApproverKey {
    let mut key = [0; 40];
    key[..20].copy_from_slice(&approver.0);
    key[20..].copy_from_slice(&account.0);
    key
}

pub(crate) fn epoch_key(hub: &Address, epoch: u64) -> EpochKey {
    let mut key = [0; 28];
    key[..20].copy_from_slice(&hub.0);
    key[20..].copy_from_slice(&epoch.to_be_bytes());
    key
}

pub(crate) fn find_escrow(
    table: &impl ReadableTable<&'static [u8; 32], Bytes>,
    id: &EscrowId,
) -> Result<Option<Escrow>, LedgerError> {
    table.get(&id.0)?.map(|row| decode(row.value(), "escrow")).transpose()
}

pub(crate) fn find_account(
    table: &impl ReadableTable<&'static [u8; 20], Bytes>,
    address: &Address,
) -> Result<Account, LedgerError> {
    match table.get(&address.0)? {
        Some(row) => decode(row.value(), "account"),
        None => Ok(Account::new(*address)),
    }
}

pub(crate) fn lane_total(
    table: &impl ReadableTable<&'static [u8; 32], Bytes>,
    lane: &LaneId,
) -> Result<u64, LedgerError> {
    match table.get(&lane.0)? {
        Some(row) => Ok(decode::<LaneRow>(row.value(), "lane")?.total),
        None => Ok(0),
    }
}

pub(crate) fn epoch_last(
    table: &impl ReadableTable<&'static EpochKey, Bytes>,
    hub: &Address,
) -> Result<Option<ClosedEpoch>, LedgerError> {
    let (first, last) = (epoch_key(hub, 0), epoch_key(hub, u64::MAX));
    match table.range::<&EpochKey>(&first..=&last)?.next_back() {
        Some(row) => decode(row?.1.value(), "epoch").map(Some),
        None => Ok(None),
    }
}

pub(crate) fn revocations(
    table: &impl ReadableTable<&'static RevocationKey, u64>,
    escrow: &EscrowId,
) -> Result<Vec<Revocation>, LedgerError> {
    let first = revocation_key(escrow, &Address::ZERO, 0);
    let last = revocation_key(escrow, &Address([0xff; 20]), u64::MAX);
    let mut found = Vec::new();
    for row in table.range::<&RevocationKey>(&first..=&last)? {
        let (key, at) = row?;
        let (mut device, mut serial) = (Address::ZERO, [0; 8]);
        device.0.copy_from_slice(&key.value()[32..52]);
        serial.copy_from_slice(&key.value()[52..]);
        found.push(Revocation { device, serial: u64::from_be_bytes(serial), at: UnixSeconds(at.value()) });
    }
    Ok(found)
}
