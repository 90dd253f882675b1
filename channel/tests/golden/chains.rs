//! Hash chains and the value of their ticks, against hashlib, hmac and exact fractions.

use farthing_channel::chain::{ChainPurpose, DeviceChain, seed, walk};
use farthing_channel::eip712::Domain;
use farthing_channel::id::{Hash32, Preimage, TariffHash};
use farthing_channel::lane::{AnchorTerms, Total};
use serde_json::Value;

use crate::{list, parse, text, vectors};

#[test]
fn a_device_can_rebuild_its_chains_from_its_secret() {
    let vectors = vectors("chains");
    let at = &list(&vectors, "domain")[0];
    let domain = Domain::new(parse(at, "chain_id"), parse(at, "contract"));
    for entry in list(&vectors, "chains") {
        let purpose = ChainPurpose {
            lane: parse(entry, "lane"),
            base_amount: parse(entry, "base_amount"),
            base_ticks: parse(entry, "base_ticks"),
            tick_amount: parse(entry, "tick_amount"),
            ticks_per_amount: parse(entry, "ticks_per_amount"),
            length: parse(entry, "length"),
            tariff: parse(entry, "tariff"),
        };
        let last = seed(&crate::array(entry, "secret"), &domain, &purpose);
        assert_eq!(last, parse::<Preimage>(entry, "seed"));
        let mut chain = DeviceChain::new(&purpose.lane, last, purpose.length).unwrap();
        assert_eq!(chain.root(), parse::<Hash32>(entry, "root"));
        for shown in list(entry, "links") {
            let index: u16 = shown[0].as_str().unwrap().parse().unwrap();
            let link: Preimage = shown[1].as_str().unwrap().parse().unwrap();
            assert_eq!(chain.preimage(index).unwrap().0, link, "index {index}");
            let root = walk(&link, &purpose.lane.tag(), index, 0);
            assert_eq!(root.0, chain.root().0, "index {index}");
        }
    }
}

fn expected(entry: &Value) -> Result<Total, String> {
    match entry.get("error") {
        Some(_) => Err(text(entry, "error").to_owned()),
        None => Ok(Total::new(parse(entry, "amount"), parse(entry, "numerator"), parse(entry, "denominator")).unwrap()),
    }
}

#[test]
fn a_tick_is_worth_its_exact_fraction() {
    for entry in list(&vectors("chains"), "worth") {
        let terms = AnchorTerms {
            base_amount: parse(entry, "base_amount"),
            base_ticks: parse(entry, "base_ticks"),
            tick_amount: parse(entry, "tick_amount"),
            ticks_per_amount: parse(entry, "ticks_per_amount"),
            length: 4096,
            tariff: TariffHash::ZERO,
            root: Hash32::ZERO,
        };
        let total = terms.total_at(parse(entry, "index"));
        let total = total.map_err(|refusal| refusal.name().to_owned());
        let expected = expected(entry);
        assert_eq!(total, expected, "{entry}");
        // Totals are equal by value; whole units must be so to the digit.
        if let (Ok(total), Ok(expected)) = (total, expected) {
            assert_eq!(total.amount(), expected.amount());
        }
    }
}
