//! The values behind the messages of `vectors/wire.py` and the records of `vectors/records.py`.

use farthing_channel::id::{Address, ChannelId, EscrowId, Hash32, LaneId, Preimage, RatingGroup, TariffHash};
use farthing_channel::lane::{AnchorTerms, SignedAnchor, SignedVoucher, TickProof};
use farthing_channel::mandate::{Authority, MandateBundle, MandateTerms};
use farthing_channel::sign::UncheckedSignature;
use farthing_channel::time::UnixSeconds;
use farthing_channel::wire::{Grant, LaneRef, LaneView, SignedReceipt, SignedReport};

pub(crate) const HANDLE: LaneRef = LaneRef::Handle(7);
pub(crate) const INDEX: u16 = 300;
pub(crate) const LANE: LaneId = LaneId([1; 32]);
pub(crate) const CHANNEL: ChannelId = ChannelId([2; 32]);
pub(crate) const ESCROW: EscrowId = EscrowId([3; 32]);
pub(crate) const TARIFF: TariffHash = TariffHash([4; 32]);
pub(crate) const ROOT: Hash32 = Hash32([5; 32]);
pub(crate) const LINK: Preimage = Preimage([6; 32]);
pub(crate) const NONCE: Hash32 = Hash32([7; 32]);
pub(crate) const DEVICE: Address = Address([0x11; 20]);
pub(crate) const PAYEE: Address = Address([0x12; 20]);
pub(crate) const HUB: Address = Address([0x13; 20]);
pub(crate) const CONTRACT: Address = Address([0x14; 20]);
pub(crate) const SIGNATURE: UncheckedSignature = UncheckedSignature([0x21; 64]);
pub(crate) const NOW: UnixSeconds = UnixSeconds(1_750_000_000);
pub(crate) const GROUP: RatingGroup = RatingGroup(100);

pub(crate) const VOUCHER: SignedVoucher = SignedVoucher { amount: 1_000_000, signature: SIGNATURE };

pub(crate) const ANCHOR: SignedAnchor = SignedAnchor {
    terms: AnchorTerms {
        base_amount: 1_000_000,
        base_ticks: 42,
        tick_amount: 3,
        ticks_per_amount: 1024,
        length: 4096,
        tariff: TARIFF,
        root: ROOT,
    },
    signature: SIGNATURE,
};

pub(crate) const LONGEST_ANCHOR: SignedAnchor = SignedAnchor {
    terms: AnchorTerms {
        base_amount: u64::MAX,
        base_ticks: u64::MAX,
        tick_amount: u32::MAX,
        ticks_per_amount: u32::MAX,
        length: 4096,
        tariff: TARIFF,
        root: ROOT,
    },
    signature: SIGNATURE,
};

pub(crate) const RECEIPT: SignedReceipt =
    SignedReceipt { lane: LANE, authorised: 1_000_000, used: 65536, tariff: TARIFF, time: NOW, signature: SIGNATURE };

pub(crate) const REPORT: SignedReport =
    SignedReport { lane: LANE, revision: 9, used_units: 65536, credited: 0, signature: SIGNATURE };

/// The encoding of a free tariff, as `vectors/tariff.json` has it.
pub(crate) fn tariff_bytes() -> Vec<u8> {
    hex::decode("a40000010302010381820001").unwrap()
}

pub(crate) fn grant() -> Grant {
    Grant { units: 65536, validity_seconds: 60, pace_ms: 0, final_unit: false, reasons: vec![] }
}

pub(crate) fn last_grant() -> Grant {
    Grant { units: u64::MAX, validity_seconds: u32::MAX, pace_ms: 250, final_unit: true, reasons: vec![1, 2, 3, 4] }
}

fn mandate(payees: Vec<Address>) -> MandateTerms {
    MandateTerms { device: DEVICE, limit: 10_u128.pow(30), expiry: UnixSeconds(1_900_000_000), serial: 1, payees }
}

pub(crate) fn direct() -> MandateBundle {
    MandateBundle {
        escrow: ESCROW,
        mandates: vec![mandate(vec![PAYEE])],
        authority: Authority::Direct { signature: SIGNATURE },
    }
}

pub(crate) fn tree() -> MandateBundle {
    MandateBundle {
        escrow: ESCROW,
        mandates: vec![mandate(vec![])],
        authority: Authority::Tree {
            signature: SIGNATURE,
            first_index: 5,
            siblings: vec![ROOT, Hash32(TARIFF.0), Hash32(LINK.0)],
        },
    }
}

pub(crate) fn view() -> LaneView {
    LaneView {
        handle: 7,
        lane: LANE,
        payee: PAYEE,
        rating_group: GROUP,
        authorised: 1_000_000,
        voucher: Some(VOUCHER),
        anchors: vec![TickProof { anchor: ANCHOR, index: INDEX, link: LINK }],
        tariff: TARIFF,
        tariff_base_amount: 10,
        tariff_base_units: 20,
        used_units: 65536,
        credited: 0,
        grant: grant(),
    }
}

pub(crate) fn new_view() -> LaneView {
    LaneView {
        handle: 0,
        rating_group: RatingGroup(0),
        authorised: 0,
        voucher: None,
        anchors: vec![],
        tariff: TariffHash::ZERO,
        tariff_base_amount: 0,
        tariff_base_units: 0,
        used_units: 0,
        grant: last_grant(),
        ..view()
    }
}
