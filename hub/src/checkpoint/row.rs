//! What a row of each table is. All rows are deterministic CBOR; keys are append-only.

use farthing_channel::codec::{CodecError, decode_exact, encode_into};
use farthing_channel::id::{EscrowId, LaneId};
use farthing_channel::lane::LaneState;
use farthing_channel::mandate::MandateTerms;
use farthing_channel::record::{LaneImage, Record, records};
use farthing_channel::wire::SignedReport;
use minicbor::{Decode, Encode};

/// A channel.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ChannelRow {
    /// The escrow it draws on.
    #[n(0)]
    pub escrow: EscrowId,
    /// The mandate in force.
    #[n(1)]
    pub terms: MandateTerms,
    /// The highest serial revoked.
    #[n(2)]
    pub revoked: Option<u64>,
    /// [`farthing_channel::admission::ChannelStatus`] code.
    #[n(3)]
    pub status: u8,
    /// Whether a mandate was ever accepted; false where only a revocation is known.
    #[n(4)]
    pub mandated: bool,
}

impl ChannelRow {
    /// Reads a row.
    ///
    /// # Errors
    /// As [`decode_exact`].
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        decode_exact(bytes)
    }
}

/// A lane: as records, the shortest list from which it is rebuilt.
#[derive(Debug, Clone)]
pub struct LaneRow {
    /// Its standing facts.
    pub image: LaneImage,
    /// Its evidence.
    pub state: LaneState,
    /// The provider's last report.
    pub report: Option<SignedReport>,
}

impl LaneRow {
    /// A lane that was just opened.
    pub fn new(image: LaneImage) -> Self {
        Self { image, state: LaneState::new(image.lane), report: None }
    }

    /// Reads a row.
    ///
    /// # Errors
    /// As [`records`]; [`CodecError::Malformed`] where the records are not those of one lane.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut records = records(bytes)?.into_iter();
        let Some(Record::Lane(image)) = records.next() else {
            return Err(CodecError::Malformed);
        };
        let mut row = Self::new(image);
        for record in records {
            match record {
                Record::Report(report) => row.report = Some(report),
                record => {
                    let (_, change) = record.as_change().ok_or(CodecError::Malformed)?;
                    row.state = row.state.restore(&change);
                }
            }
        }
        Ok(row)
    }

    /// The row's records.
    pub fn records(&self) -> impl Iterator<Item = Record> {
        let lane: LaneId = self.image.lane;
        let changes = self.state.to_changes().into_iter().map(move |change| Record::of_change(lane, &change));
        std::iter::once(Record::Lane(self.image)).chain(changes).chain(self.report.map(Record::Report))
    }

    /// Writes a row.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for record in self.records() {
            encode_into(&record, &mut out);
        }
        out
    }
}
