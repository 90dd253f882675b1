//! Why: codes for devices, sentences for operators.

use farthing_channel::wire::Reason;

use crate::features::Feature;

/// The reason that a feature stands for.
pub fn of_feature(feature: Feature) -> Reason {
    match feature {
        Feature::EventsAboveOwn | Feature::EventsAboveFleet | Feature::EventsDrift | Feature::Burst => {
            Reason::EventsUnusual
        }
        Feature::UnitsAboveOwn | Feature::UnitsAboveFleet | Feature::UnitsDrift => Reason::UsageUnusual,
        Feature::OddSizes | Feature::SizeJump => Reason::SizesUnusual,
        Feature::FailedProofs => Reason::ProofsFailed,
        Feature::StaleStates => Reason::StaleStates,
        Feature::Churn => Reason::AddressChurn,
        Feature::TwoPlaces => Reason::TwoPlaces,
        Feature::Gaps => Reason::GapsLarge,
        Feature::Exposure => Reason::ExposureHigh,
        Feature::DrawDown => Reason::DrawDownFast,
        Feature::IdleGrant => Reason::GrantIdle,
        Feature::Anomaly => Reason::UnlikeOthers,
    }
}

/// The reason as a sentence for an operator.
pub fn sentence(reason: Reason) -> &'static str {
    match reason {
        Reason::MandateNearlySpent => "The mandate's limit is near.",
        Reason::EscrowNearlySpent => "The escrow's deposit is near its end.",
        Reason::MandateExpiresSoon => "The mandate expires soon.",
        Reason::Load => "The hub is busy.",
        Reason::EventsUnusual => "The lane has events more often than it, or its fleet, usually has.",
        Reason::UsageUnusual => "The lane uses more than it, or its fleet, usually does.",
        Reason::SizesUnusual => "Its events are of sizes that its fleet does not have, or far greater than its own.",
        Reason::ProofsFailed => "Proofs for the lane failed or were malformed.",
        Reason::StaleStates => {
            "The device showed states older than what it had proved: a copied or restored device does so."
        }
        Reason::AddressChurn => {
            "The device attaches again and again, or its address keeps changing: a moved SIM card does so."
        }
        Reason::TwoPlaces => "The device's key is in use at two places: it was copied.",
        Reason::GapsLarge => "Payments skip many steps of their chain.",
        Reason::ExposureHigh => "Much of the credit window is in use: service runs ahead of payment.",
        Reason::DrawDownFast => "What is left of mandate or escrow would be gone within a day at this rate.",
        Reason::GrantIdle => "Far more is granted than used.",
        Reason::UnlikeOthers => "The lane behaves unlike all others that the hub sees.",
        Reason::Operator => "An operator decided it.",
    }
}

/// The reason with this code.
pub fn from_code(code: u16) -> Option<Reason> {
    Reason::ALL.into_iter().find(|reason| *reason as u16 == code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::{FEATURE_MAX, Features};
    use crate::file::{SHIPPED, WeightsFile};
    use crate::ladder::{Level, Standing};
    use crate::model::Assessment;
    use crate::signals::Sixteenths;
    use std::collections::BTreeSet;

    #[test]
    fn codes_are_dense_and_sentences_differ() {
        for (index, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(reason as u16), index + 1);
            assert_eq!(from_code(reason as u16), Some(reason));
        }
        assert_eq!((from_code(0), from_code(18)), (None, None));
        let sentences: BTreeSet<&str> = Reason::ALL.into_iter().map(sentence).collect();
        assert_eq!(sentences.len(), Reason::ALL.len());
        assert!(sentences.iter().all(|sentence| sentence.ends_with('.')));
    }

    /// Whatever is done, and whatever for, there is a code for the device, and a sentence for that code.
    #[test]
    fn nothing_is_done_about_a_lane_without_a_sentence() {
        let model = WeightsFile::parse(SHIPPED).and_then(|file| file.model()).unwrap();
        let at = Sixteenths(0);
        for level in Level::ALL {
            for feature in Feature::ALL {
                for (value, overridden) in [(0, false), (FEATURE_MAX, false), (0, true)] {
                    let mut features = Features::default();
                    features.0[feature as usize] = value;
                    let odds = model.weights().log_odds(&features);
                    let (score, standing) = (odds.score(), Standing::from_parts(level, at));
                    let (held_back, corroborated) = (false, false);
                    let assessment =
                        Assessment { features, odds, held_back, corroborated, score, standing, level, overridden };
                    let reasons = model.reasons(&assessment);
                    assert_eq!(reasons.is_empty(), level == Level::Trusted, "{level:?} for {feature:?}: {reasons:?}");
                    for reason in reasons {
                        assert_eq!(from_code(reason as u16), Some(reason));
                        assert!(sentence(reason).len() > 10);
                    }
                }
            }
        }
    }
}
