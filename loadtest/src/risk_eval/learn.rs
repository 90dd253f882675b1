//! Weights for a fold, as `farthing-hub risk fit` learns them, from those who teach alone.

use std::collections::BTreeSet;

use anyhow::Context as _;
use farthing_risk::file::{ProfileForm, SHIPPED, Unit, WeightsFile};
use farthing_risk::fit::metrics::{Scored, judge};
use farthing_risk::fit::replay::Profiles;
use farthing_risk::fit::study::{self, Fleet, Part};
use farthing_risk::score::Weights;

use super::cast::Fold;

/// What a fold's hub runs with.
#[derive(Debug, Clone)]
pub struct Learned {
    /// The weights.
    pub weights: Weights,
    /// The file for the hub.
    pub file: WeightsFile,
}

/// Learns a fold's weights. `honest` are the honest fleets whole: what is usual in each comes from its own first quarter.
///
/// # Errors
/// Where the shipped weights cannot be read.
pub fn learn(fold: &Fold, honest: &[Fleet], revision: &str) -> anyhow::Result<Learned> {
    let none = BTreeSet::new();
    let mut file = WeightsFile::parse(SHIPPED).context("the shipped weights")?;
    let prior = file.weights().context("the shipped weights")?;
    let usual = |fleet: &Fleet| {
        let whole = honest.iter().find(|whole| whole.name == fleet.name).unwrap_or(fleet);
        whole.profiles(&none)
    };
    let profiles: Vec<Profiles> = fold.teach.iter().map(usual).collect();
    let weights = study::train(&fold.teach, &profiles, &none, &prior, Part::All);
    let taught = study::test(&fold.teach, &profiles, &none, &weights, Part::All);
    let scored: Vec<Scored> = taught.iter().map(|judged| judged.scored).collect();
    let weights = study::calibrated(&weights, judge(&scored, 0).threshold);
    revision.clone_into(&mut file.revision);
    file.set_weights(&weights);
    file.profile.clear();
    for judged in &fold.judged {
        let name = &judged.fleet.name;
        let known = fold.teach.iter().position(|fleet| fleet.name == *name).and_then(|at| profiles.get(at));
        // A fleet of which nobody teaches was watched all the same.
        let watched = || honest.iter().find(|whole| whole.name == *name).map(|whole| whole.profiles(&none));
        let usual = known.cloned().or_else(watched).unwrap_or_else(|| of_all(&fold.teach));
        if judged.fleet.unit != Unit::Events {
            file.profile.push(ProfileForm { fleet: name.clone(), unit: judged.fleet.unit, usual: usual.units });
        }
        file.profile.push(ProfileForm { fleet: name.clone(), unit: Unit::Events, usual: usual.events });
    }
    Ok(Learned { weights, file })
}

/// What is usual in all fleets that are billed by the byte together, for one of which nothing is known.
fn of_all(fleets: &[Fleet]) -> Profiles {
    let octets = fleets.iter().filter(|fleet| fleet.unit == Unit::Octets);
    Fleet::merged("", Unit::Octets, octets).profiles(&BTreeSet::new())
}
