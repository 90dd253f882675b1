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

pub(super) type Bytes = &'static [u8];
/// escrow id, device
pub(super) type ChannelKey = [u8; 52];
/// escrow id, device, serial
pub(super) type RevocationKey = [u8; 60];
/// hub, epoch
pub(super) type EpochKey = [u8; 28];

pub(super) const META: TableDefinition<'_, &str, Bytes> = TableDefinition::new("meta");
pub(super) const ACCOUNTS: TableDefinition<'_, &[u8; 20], Bytes> = TableDefinition::new("accounts");
pub(super) const ESCROWS: TableDefinition<'_, &[u8; 32], Bytes> = TableDefinition::new("escrows");
pub(super) const CHANNELS: TableDefinition<'_, &ChannelKey, Bytes> = TableDefinition::new("channels");
pub(super) const LANES: TableDefinition<'_, &[u8; 32], Bytes> = TableDefinition::new("lanes");
pub(super) const REVOCATIONS: TableDefinition<'_, &RevocationKey, u64> = TableDefinition::new("revocations");
pub(super) const REFERENCES: TableDefinition<'_, &[u8; 32], u64> = TableDefinition::new("references");
pub(super) const PROPOSALS: TableDefinition<'_, &[u8; 32], u64> = TableDefinition::new("proposals");
pub(super) const EPOCHS: TableDefinition<'_, &EpochKey, Bytes> = TableDefinition::new("epochs");
pub(super) const EVENTS: TableDefinition<'_, u64, Bytes> = TableDefinition::new("events");

pub(super) const META_IDENTITY: &str = "identity";
pub(super) const META_COUNTERS: &str = "counters";

/// Sums carried along with every change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Encode, Decode)]
pub(super) struct Counters {
    /// Everything ever issued.
    #[n(0)]
    pub(super) issued: u64,
    /// Sum over accounts.
    #[n(1)]
    pub(super) accounts: u64,
    /// Sum over escrows of what they hold.
    #[n(2)]
    pub(super) escrows: u64,
    /// Events in the log.
    #[n(3)]
    pub(super) events: u64,
}

/// What the ledger keeps of a channel it has settled.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(super) struct ChannelRow {
    /// The mandate its last leaf stood under, verified.
    #[n(0)]
    pub(super) mandate: MandateTerms,
    /// Sum over its lanes.
    #[n(1)]
    pub(super) total: u64,
}

/// What the ledger keeps of a lane it has settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub(super) struct LaneRow {
    #[n(0)]
    pub(super) escrow: EscrowId,
    /// The device; for a lone payer, whose lane is the escrow itself, its signer.
    #[n(1)]
    pub(super) device: Address,
    #[n(2)]
    pub(super) total: u64,
}

pub(super) fn decode<'b, T: Decode<'b, ()> + Encode<()>>(bytes: &'b [u8], what: &str) -> Result<T, LedgerError> {
    decode_exact(bytes).map_err(|error| LedgerError::damaged(format_args!("{what}: {error}")))
}

pub(super) fn channel_key(escrow: &EscrowId, device: &Address) -> ChannelKey {
    let mut key = [0; 52];
    key[..32].copy_from_slice(&escrow.0);
    key[32..].copy_from_slice(&device.0);
    key
}

pub(super) fn revocation_key(escrow: &EscrowId, device: &Address, serial: u64) -> RevocationKey {
    let mut key = [0; 60];
    key[..52].copy_from_slice(&channel_key(escrow, device));
    key[52..].copy_from_slice(&serial.to_be_bytes());
    key
}

pub(super) fn epoch_key(hub: &Address, epoch: u64) -> EpochKey {
    let mut key = [0; 28];
    key[..20].copy_from_slice(&hub.0);
    key[20..].copy_from_slice(&epoch.to_be_bytes());
    key
}

pub(super) fn find_escrow(
    table: &impl ReadableTable<&'static [u8; 32], Bytes>,
    id: &EscrowId,
) -> Result<Option<Escrow>, LedgerError> {
    table.get(&id.0)?.map(|row| decode(row.value(), "escrow")).transpose()
}

pub(super) fn find_account(
    table: &impl ReadableTable<&'static [u8; 20], Bytes>,
    address: &Address,
) -> Result<Account, LedgerError> {
    match table.get(&address.0)? {
        Some(row) => decode(row.value(), "account"),
        None => Ok(Account::new(*address)),
    }
}

pub(super) fn lane_total(
    table: &impl ReadableTable<&'static [u8; 32], Bytes>,
    lane: &LaneId,
) -> Result<u64, LedgerError> {
    match table.get(&lane.0)? {
        Some(row) => Ok(decode::<LaneRow>(row.value(), "lane")?.total),
        None => Ok(0),
    }
}

pub(super) fn epoch_last(
    table: &impl ReadableTable<&'static EpochKey, Bytes>,
    hub: &Address,
) -> Result<Option<ClosedEpoch>, LedgerError> {
    let (first, last) = (epoch_key(hub, 0), epoch_key(hub, u64::MAX));
    match table.range::<&EpochKey>(&first..=&last)?.next_back() {
        Some(row) => decode(row?.1.value(), "epoch").map(Some),
        None => Ok(None),
    }
}

pub(super) fn revocations(
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
