//! The commands of `farthing-loadtest`, as they are typed.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::programs;
use farthing_loadtest::site::FOLDER_VARIABLE;

fn run(arguments: &[&str], json: &Path) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_farthing-loadtest"))
        .args(arguments)
        .arg("--json")
        .arg(json)
        .env(FOLDER_VARIABLE, programs())
        .output()
        .unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{arguments:?}: {said}");
    serde_json::from_str(&std::fs::read_to_string(json).unwrap()).unwrap()
}

#[test]
fn replay_bills_every_unit_of_every_row() {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace.csv");
    let rows = (0..3_000_u64).map(|row| format!("{},device {},bytes,{}\n", row * 10, row % 40, (row * 7919) % 1_500));
    let mut text = String::from("timestamp,device_id,kind,quantity\n");
    text.extend(rows);
    text.push_str("99999,idle,octets,0\n100000,greedy,octets,1780000000\n");
    std::fs::write(&trace, text).unwrap();
    let mut units = [0_u64; 40];
    (0..3_000_u64).for_each(|row| units[usize::try_from(row % 40).unwrap()] += (row * 7919) % 1_500);
    let all = units.iter().sum::<u64>() + 1_780_000_000;
    let charge = |units: u64| (units * 3).div_ceil(1_000);
    let expected: u64 = units.iter().map(|units| charge(*units)).sum::<u64>() + charge(1_780_000_000);

    let json = folder.path().join("replay.json");
    let arguments = ["replay", "--price", "3/1000", "--trace", trace.to_str().unwrap()];
    let result = run(&arguments, &json);
    assert_eq!(result["rows"], 3_002);
    assert_eq!(result["devices"], 42);
    assert_eq!(result["units"], all);
    assert_eq!(result["authorised_base_units"], expected);
    assert_eq!(result["acknowledged_base_units"], expected);

    let gateway = run(&[&arguments[..], &["--devices-per-connection", "50", "--compression", "40000"]].concat(), &json);
    assert_eq!(gateway["authorised_base_units"], expected);
    assert_eq!(gateway["connections"], 1);
}

#[test]
fn load_pays_at_its_rate_and_tells_its_latencies() {
    let folder = tempfile::tempdir().unwrap();
    let histogram = folder.path().join("load.hgrm");
    let arguments = ["load", "--devices", "40", "--rate", "5", "--duration", "2", "--mode", "mixed", "--histogram"];
    let arguments = [&arguments[..], &[histogram.to_str().unwrap(), "--devices-per-connection", "8"]].concat();
    let result = run(&arguments, &folder.path().join("load.json"));
    assert_eq!((&result["devices"], &result["connections"]), (&40.into(), &5.into()));
    for counted in ["sent", "acknowledged", "authorised_base_units", "acknowledged_base_units"] {
        assert_eq!(result[counted], 400, "{counted}: {result}");
    }
    assert!(std::fs::read_to_string(histogram).unwrap().contains("Total count"));
}

#[test]
fn many_channels_open_with_one_signature() {
    let folder = tempfile::tempdir().unwrap();
    let result = run(&["open", "--channels", "1500"], &folder.path().join("open.json"));
    assert_eq!((&result["channels"], &result["sample_paid"]), (&1500.into(), &100.into()));
}

/// From deposit to withdrawal on a development chain, with the totals of the embedded ledger's night.
#[test]
fn the_demo_is_the_same_on_a_chain() {
    let folder = tempfile::tempdir().unwrap();
    let nothing = folder.path().join("no-traces");
    std::fs::create_dir(&nothing).unwrap();
    let night = |ledger: &str| {
        let site = folder.path().join(ledger);
        let small = ["demo", "--devices", "12", "--rows", "90", "--day-seconds", "1", "--ledger", ledger];
        let places = ["--traces", nothing.to_str().unwrap(), "--site", site.to_str().unwrap()];
        run(&[&small[..], &places].concat(), &folder.path().join(ledger).with_extension("json"))
    };
    let (embedded, mut chain) = (night("embedded"), night("evm"));
    let fields = chain.as_object_mut().unwrap();
    assert!(fields.remove("withdrawn_base_units").unwrap().as_u64().unwrap() > 0, "payers took the rest back");
    fields.insert("statement_html".into(), embedded["statement_html"].clone());
    assert_eq!(chain, embedded);
}

#[test]
fn the_demo_adds_up_without_recorded_traces() {
    let folder = tempfile::tempdir().unwrap();
    let nothing = folder.path().join("no-traces");
    std::fs::create_dir(&nothing).unwrap();
    let site = folder.path().join("site");
    let small = ["demo", "--devices", "60", "--rows", "400", "--day-seconds", "3"];
    let places = ["--traces", nothing.to_str().unwrap(), "--site", site.to_str().unwrap()];
    let result = run(&[&small[..], &places].concat(), &folder.path().join("demo.json"));
    let keys: Vec<_> = result.as_object().unwrap().keys().map(String::as_str).collect();
    let mut expected = [
        "devices",
        "payments_acknowledged",
        "authorised_base_units",
        "settled_base_units",
        "carried_base_units",
        "providers",
        "legs",
        "hub_restarts",
        "lost_acknowledged_payments",
        "conserved",
        "statement_html",
    ];
    expected.sort_unstable();
    assert_eq!(keys, expected);
    assert_eq!((&result["lost_acknowledged_payments"], &result["conserved"]), (&0.into(), &true.into()));
    assert_eq!((&result["providers"], &result["hub_restarts"]), (&3.into(), &1.into()));
    assert!(Path::new(result["statement_html"].as_str().unwrap()).is_file());
}

#[test]
fn honest_devices_are_served_through_an_attack() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = [
        "attack",
        "overspend-race",
        "bad-proofs",
        "--honest",
        "8",
        "--rate",
        "40",
        "--attackers",
        "2",
        "--seconds",
        "4",
    ];
    let results = run(&arguments, &folder.path().join("attack.json"));
    for result in results.as_array().unwrap() {
        assert_eq!(
            (&result["honest_refused"], &result["base_units_beyond_limits"]),
            (&0.into(), &0.into()),
            "{result}"
        );
        let refused: u64 = result["attacker"]["refused"].as_object().unwrap().values().filter_map(Value::as_u64).sum();
        assert!(refused > 0, "{result}");
    }
}
