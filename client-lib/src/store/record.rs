//! What is remembered of one lane, and its form on disk.

use farthing_channel::codec::{decode_exact, encode_to_vec};
use farthing_channel::id::{LaneId, TariffHash};
use farthing_channel::lane::{SignedAnchor, SignedVoucher};
use farthing_channel::wire::SignedReceipt;
use serde::{Deserialize, Serialize};

/// An anchor that was signed, and the furthest index of it that was let out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordedAnchor {
    /// The anchor.
    pub signed: SignedAnchor,
    /// 0..=length.
    pub index: u16,
}

/// Units used under the lane's tariff, by segment, since that tariff began on the lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedUsage {
    /// The tariff.
    pub tariff: TariffHash,
    /// Cumulative units of each of its segments.
    pub units: Vec<u64>,
}

/// What is remembered of one lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneRecord {
    /// The lane.
    pub lane: LaneId,
    /// Total that the caller asked for, base units; not less than what is signed.
    pub wanted_amount: u64,
    /// Ticks asked for beyond `wanted_amount`.
    pub wanted_ticks: u64,
    /// Price of those ticks: base units per so many ticks.
    pub tick_price: (u32, u32),
    /// The highest voucher that was signed.
    pub voucher: Option<SignedVoucher>,
    /// The anchor with the highest value let out.
    pub anchor: Option<RecordedAnchor>,
    /// Units used, where the lane is paid by units.
    pub usage: Option<RecordedUsage>,
    /// The newest receipt, checked.
    pub receipt: Option<SignedReceipt>,
}

/// The file's form. Proofs are hexadecimal CBOR as on the wire, so one codec serves both.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordFile {
    version: u32,
    lane: String,
    wanted_amount: u64,
    wanted_ticks: u64,
    tick_price: (u32, u32),
    voucher: Option<String>,
    anchor: Option<String>,
    anchor_index: u16,
    usage_tariff: Option<String>,
    usage_units: Vec<u64>,
    receipt: Option<String>,
}

const VERSION: u32 = 1;

impl LaneRecord {
    /// The record as JSON, one line.
    #[must_use]
    pub fn to_json(&self) -> String {
        let file = RecordFile {
            version: VERSION,
            lane: self.lane.to_string(),
            wanted_amount: self.wanted_amount,
            wanted_ticks: self.wanted_ticks,
            tick_price: self.tick_price,
            voucher: self.voucher.map(|v| hex::encode(encode_to_vec(&v))),
            anchor: self.anchor.map(|a| hex::encode(encode_to_vec(&a.signed))),
            anchor_index: self.anchor.map_or(0, |anchor| anchor.index),
            usage_tariff: self.usage.as_ref().map(|usage| usage.tariff.to_string()),
            usage_units: self.usage.as_ref().map(|usage| usage.units.clone()).unwrap_or_default(),
            receipt: self.receipt.map(|r| hex::encode(encode_to_vec(&r))),
        };
        // Serialising plain fields into memory has no way to fail.
        serde_json::to_string(&file).unwrap_or_default()
    }

    /// Reads what [`Self::to_json`] wrote; `None` for anything else.
    #[must_use]
    pub fn from_json(text: &str) -> Option<Self> {
        let file: RecordFile = serde_json::from_str(text).ok()?;
        if file.version != VERSION {
            return None;
        }
        let decode = |text: &Option<String>| text.as_ref().map(hex::decode).transpose().ok();
        let anchor = match decode(&file.anchor)? {
            Some(bytes) => {
                Some(RecordedAnchor { signed: decode_exact::<SignedAnchor>(&bytes).ok()?, index: file.anchor_index })
            }
            None => None,
        };
        let voucher = match decode(&file.voucher)? {
            Some(bytes) => Some(decode_exact::<SignedVoucher>(&bytes).ok()?),
            None => None,
        };
        let receipt = match decode(&file.receipt)? {
            Some(bytes) => Some(decode_exact::<SignedReceipt>(&bytes).ok()?),
            None => None,
        };
        let usage = match &file.usage_tariff {
            Some(tariff) => Some(RecordedUsage { tariff: tariff.parse().ok()?, units: file.usage_units }),
            None => None,
        };
        Some(Self {
            lane: file.lane.parse().ok()?,
            wanted_amount: file.wanted_amount,
            wanted_ticks: file.wanted_ticks,
            tick_price: file.tick_price,
            voucher,
            anchor,
            usage,
            receipt,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use farthing_channel::sign::UncheckedSignature;

    #[test]
    fn a_record_reads_back_and_anything_else_does_not() {
        let record = LaneRecord {
            lane: LaneId([7; 32]),
            wanted_amount: u64::MAX,
            wanted_ticks: 3,
            tick_price: (1, 4),
            voucher: Some(SignedVoucher { amount: u64::MAX, signature: UncheckedSignature([9; 64]) }),
            anchor: None,
            usage: Some(RecordedUsage { tariff: TariffHash([1; 32]), units: vec![5, 0] }),
            receipt: None,
        };
        let text = record.to_json();
        assert_eq!(LaneRecord::from_json(&text), Some(record));
        assert_eq!(LaneRecord::from_json(&text[..text.len() - 1]), None);
        assert_eq!(LaneRecord::from_json(&text.replace(":1,", ":2,")), None);
        assert_eq!(LaneRecord::from_json(""), None);
    }
}
