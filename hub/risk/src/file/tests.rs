use farthing_channel::time::UnixSeconds;

use super::*;
use crate::ladder::Level;
use crate::profile::{Learner, SIZE_BUCKETS};

fn shipped() -> WeightsFile {
    WeightsFile::parse(SHIPPED).expect("the shipped file")
}

#[test]
fn the_shipped_file_is_a_model_and_reads_and_writes_the_same() {
    let file = shipped();
    let model = file.model().expect("a model");
    assert_eq!(file.text(), SHIPPED);
    assert_eq!(model.ladder().rungs().len(), 6);
    assert!(model.weights().bias < 0, "a lane with nothing against it is trusted");
    // It ships watching.
    assert_eq!(model.tenant("anybody").mode, crate::policy::Mode::Shadow);
    assert!(model.tenant("anybody").most <= Level::Restrict);
}

#[test]
fn profiles_survive_the_file() {
    let mut file = shipped();
    let mut learner = Learner::default();
    for units in 0..500 {
        learner.observe(units, &crate::signals::Signals::default());
    }
    let usual = learner.profile();
    file.profile.push(ProfileForm { fleet: "meters".into(), unit: Unit::Events, usual: usual.clone() });
    let again = WeightsFile::parse(&file.text()).expect("its own text");
    assert_eq!(again, file);
    let model = again.model().expect("a model");
    assert_eq!(model.profile("meters", Unit::Events), Some(&usual));
    assert_eq!(model.profile("meters", Unit::Octets), None);
    file.profile.push(file.profile[0].clone());
    assert!(matches!(file.model(), Err(WeightsFileError::TwoProfiles(..))));
}

#[test]
fn an_announced_update_holds_for_its_fleet_and_its_time() {
    let text = format!("{SHIPPED}\n[[update]]\nfleet = \"meters\"\nfrom = 100\nuntil = 200\n");
    let file = WeightsFile::parse(&text).expect("a weights file");
    assert_eq!(WeightsFile::parse(&file.text()).expect("its own text"), file);
    let model = file.model().expect("a model");
    let holds = |fleet, now| model.updates(fleet).any(|update| update.holds(UnixSeconds(now)));
    assert_eq!([99, 100, 199, 200].map(|now| holds("meters", now)), [false, true, true, false]);
    assert!(!holds("others", 150));
}

#[test]
fn what_is_not_exactly_a_weights_file_is_refused() {
    let refused = |from: &str, to: &str| {
        assert!(SHIPPED.contains(from), "{from}");
        WeightsFile::parse(&SHIPPED.replacen(from, to, 1)).and_then(|file| file.model().map(|_| ())).expect_err(to)
    };
    assert!(matches!(refused("form = 1", "form = 2"), WeightsFileError::Form(2)));
    assert!(matches!(refused("form = 1", "form = 1\nextra = 1"), WeightsFileError::Syntax(_)));
    assert!(matches!(refused("churn = ", "churm = "), WeightsFileError::Syntax(_)));
    assert!(matches!(refused("tenant.default", "tenant.somebody"), WeightsFileError::NoDefaultTenant));
    assert!(matches!(refused("pace_ms = ", "pace_ms = -"), WeightsFileError::Syntax(_)));
    assert!(matches!(refused("level = \"pace\"\nenter", "level = \"restrict\"\nenter"), WeightsFileError::Ladder(_)));
    let mut file = shipped();
    file.score.weights.remove(&Feature::Churn);
    assert!(matches!(file.model(), Err(WeightsFileError::NoWeight(Feature::Churn))));
    let short = format!(
        "{SHIPPED}\n[[profile]]\nfleet = \"\"\nunit = \"octets\"\n[profile.usual]\nevents_typical = 1\nevents_high = 1\n\
         units_typical = 1\nunits_high = 1\njump_high = 1\nsurprise_high = 1\nsurprise = {:?}\n",
        vec![1; SIZE_BUCKETS - 1]
    );
    assert!(WeightsFile::parse(&short).is_err());
}
