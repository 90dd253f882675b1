//! What a row of the unit table is. Rows are deterministic CBOR arrays; fields are append-only.
//!
//! A unit is a channel with its lanes: what is loaded and evicted together lies together, so that a device's return costs
//! one read. What a start needs of every unit stands first in its row ([`UnitHead`]); the start reads no further.

use farthing_channel::codec::{CodecError, decode_exact, encode_to_vec};
use farthing_channel::id::{Address, ChannelId, EscrowId, LaneId, RatingGroup, TariffHash};
use farthing_channel::lane::{Change, LaneState, SignedAnchor, SignedVoucher};
use farthing_channel::mandate::MandateTerms;
use farthing_channel::record::{LaneImage, RiskChange, RiskOverride};
use farthing_channel::time::UnixSeconds;
use farthing_channel::wire::SignedReport;
use minicbor::{Decode, Decoder, Encode};

/// A channel with its lanes.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct UnitRow {
    /// The channel.
    #[n(0)]
    pub channel: ChannelId,
    /// The escrow it draws on.
    #[n(1)]
    pub escrow: EscrowId,
    /// Whether a mandate was ever accepted; false where only a revocation is known, and for a lone payer.
    #[n(2)]
    pub mandated: bool,
    /// Its lanes, in the order in which they were opened.
    #[n(3)]
    pub lanes: Vec<LaneRow>,
    /// The mandate in force.
    #[n(4)]
    pub terms: MandateTerms,
    /// The highest serial revoked.
    #[n(5)]
    pub revoked: Option<u64>,
    /// [`farthing_channel::admission::ChannelStatus`] code.
    #[n(6)]
    pub status: u8,
    /// An operator's last word about its risk.
    #[n(7)]
    pub risk_override: Option<RiskOverride>,
}

/// A lane: its standing facts, its total, and the shortest list of changes from which its evidence is rebuilt.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct LaneRow {
    /// The lane.
    #[n(0)]
    pub lane: LaneId,
    /// Whole base units that the proofs come to.
    #[n(1)]
    pub authorised: u64,
    /// Whom it pays.
    #[n(2)]
    pub payee: Address,
    /// For which service.
    #[n(3)]
    pub rating_group: RatingGroup,
    /// The tariff in force; absent for none.
    #[n(4)]
    pub tariff: Option<TariffHash>,
    /// Total at which this tariff began, base units.
    #[n(5)]
    pub tariff_base_amount: u64,
    /// Units granted before this tariff began.
    #[n(6)]
    pub tariff_base_units: u64,
    /// [`LaneState::to_changes`].
    #[n(7)]
    pub changes: Vec<ChangeRow>,
    /// The provider's last report.
    #[n(8)]
    pub report: Option<SignedReport>,
    /// The last change of its risk.
    #[n(9)]
    pub risk: Option<RiskChange>,
}

/// A change of the row's lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum ChangeRow {
    /// [`Change::Voucher`].
    #[n(0)]
    Voucher(#[n(0)] SignedVoucher),
    /// [`Change::Anchor`].
    #[n(1)]
    Anchor(#[n(0)] SignedAnchor),
    /// [`Change::Tick`].
    #[n(2)]
    Tick {
        /// The anchor's tag.
        #[n(0)]
        anchor: u64,
        /// Its index.
        #[n(1)]
        index: u16,
        /// The preimage.
        #[n(2)]
        link: farthing_channel::id::Preimage,
    },
}

impl From<&Change> for ChangeRow {
    fn from(change: &Change) -> Self {
        match *change {
            Change::Voucher(voucher) => Self::Voucher(voucher),
            Change::Anchor(anchor) => Self::Anchor(anchor),
            Change::Tick { anchor, index, link } => Self::Tick { anchor, index, link },
        }
    }
}

impl From<&ChangeRow> for Change {
    fn from(row: &ChangeRow) -> Self {
        match *row {
            ChangeRow::Voucher(voucher) => Self::Voucher(voucher),
            ChangeRow::Anchor(anchor) => Self::Anchor(anchor),
            ChangeRow::Tick { anchor, index, link } => Self::Tick { anchor, index, link },
        }
    }
}

impl UnitRow {
    /// A channel of which nothing is known yet but whose it is.
    pub fn new(channel: ChannelId, escrow: EscrowId, device: Address) -> Self {
        let terms = MandateTerms { device, limit: 0, expiry: UnixSeconds(0), serial: 0, payees: Vec::new() };
        Self {
            channel,
            escrow,
            mandated: false,
            lanes: Vec::new(),
            terms,
            revoked: None,
            status: 0,
            risk_override: None,
        }
    }

    /// Reads a row.
    ///
    /// # Errors
    /// As [`decode_exact`]; [`CodecError::Malformed`] where a lane's proofs do not come to its total.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let row: Self = decode_exact(bytes)?;
        // Two ways to the same sum: what a start counted without looking at proofs must be what the proofs say.
        let is_sound = row.lanes.iter().all(|lane| lane.state().total().amount() == lane.authorised);
        if is_sound { Ok(row) } else { Err(CodecError::Malformed) }
    }

    /// Writes a row.
    pub fn encode(&self) -> Vec<u8> {
        encode_to_vec(self)
    }

    /// The lane, if it is one of the unit's.
    pub fn lane_mut(&mut self, lane: &LaneId) -> Option<&mut LaneRow> {
        self.lanes.iter_mut().find(|held| held.lane == *lane)
    }
}

impl LaneRow {
    /// A lane that was just opened.
    pub fn new(image: &LaneImage) -> Self {
        let mut row = Self {
            lane: image.lane,
            authorised: 0,
            payee: image.payee,
            rating_group: image.rating_group,
            tariff: None,
            tariff_base_amount: 0,
            tariff_base_units: 0,
            changes: Vec::new(),
            report: None,
            risk: None,
        };
        row.set_tariff(image);
        row
    }

    /// Takes up the tariff of a later image.
    pub fn set_tariff(&mut self, image: &LaneImage) {
        self.tariff = (!image.tariff.is_zero()).then_some(image.tariff);
        self.tariff_base_amount = image.tariff_base_amount;
        self.tariff_base_units = image.tariff_base_units;
    }

    /// Its evidence.
    pub fn state(&self) -> LaneState {
        self.changes.iter().fold(LaneState::new(self.lane), |state, change| state.restore(&change.into()))
    }

    /// Takes up newer evidence.
    pub fn set_state(&mut self, state: &LaneState) {
        self.authorised = state.total().amount();
        self.changes = state.to_changes().iter().map(ChangeRow::from).collect();
    }

    /// Its standing facts, in the unit of `row`.
    pub fn image(&self, escrow: EscrowId, device: Address) -> LaneImage {
        LaneImage {
            lane: self.lane,
            escrow,
            device,
            payee: self.payee,
            rating_group: self.rating_group,
            tariff: self.tariff.unwrap_or(TariffHash::ZERO),
            tariff_base_amount: self.tariff_base_amount,
            tariff_base_units: self.tariff_base_units,
        }
    }
}

/// What a start needs of a unit: who it is, and what it owes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitHead {
    /// The channel.
    pub channel: ChannelId,
    /// The escrow it draws on.
    pub escrow: EscrowId,
    /// As [`UnitRow::mandated`].
    pub mandated: bool,
    /// Its lanes with what each owes, base units.
    pub lanes: Vec<(LaneId, u64)>,
}

impl UnitHead {
    /// An empty one, to be filled again and again.
    pub fn blank() -> Self {
        Self { channel: ChannelId::ZERO, escrow: EscrowId::ZERO, mandated: false, lanes: Vec::new() }
    }

    /// Reads the front of a row, without a new allocation.
    ///
    /// # Errors
    /// [`CodecError::Malformed`]. What follows the front is looked at when the unit is loaded.
    pub fn read(&mut self, bytes: &[u8]) -> Result<(), CodecError> {
        self.read_fields(&mut Decoder::new(bytes)).map_err(|_| CodecError::Malformed)
    }

    fn read_fields(&mut self, decoder: &mut Decoder<'_>) -> Result<(), minicbor::decode::Error> {
        decoder.array()?;
        self.channel = decoder.decode()?;
        self.escrow = decoder.decode()?;
        self.mandated = decoder.decode()?;
        self.lanes.clear();
        let lanes = decoder.array()?.ok_or_else(|| minicbor::decode::Error::message("indefinite length"))?;
        for _ in 0..lanes {
            let fields = decoder.array()?.ok_or_else(|| minicbor::decode::Error::message("indefinite length"))?;
            self.lanes.push((decoder.decode()?, decoder.decode()?));
            for _ in 2..fields {
                decoder.skip()?;
            }
        }
        Ok(())
    }
}
