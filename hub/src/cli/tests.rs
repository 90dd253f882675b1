use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use clap::{CommandFactory as _, Parser as _};

use super::args::{Cli, Command, TariffCommand};
use super::failure::Failure;
use super::init::{Initialised, make};
use super::{execute, operate};
use crate::config::{Config, ConfigError};

fn parse(arguments: &[&str]) -> Cli {
    Cli::try_parse_from(std::iter::once("farthing-hub").chain(arguments.iter().copied())).unwrap()
}

fn init(arguments: &[&str]) -> Result<Initialised, Failure> {
    match parse(arguments).command {
        Command::Init(options) => make(&options),
        other => panic!("{other:?}"),
    }
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn init_makes_what_check_config_accepts() {
    let dir = tempfile::tempdir().unwrap();
    let hub = dir.path().join("hub");
    let made =
        init(&["init", "--dir", hub.to_str().unwrap(), "--listen", "127.0.0.1:5000", "--name", "hub.example"]).unwrap();
    assert!(made.key_created && !made.ledger_exists);
    assert_eq!(mode(&made.key_file), 0o600);
    assert_eq!(mode(&hub.join("hub-cert.key")), 0o600);
    assert_eq!(mode(&hub.join("data")), 0o700);

    let config = Config::load_with(&made.config, []).unwrap();
    assert_eq!(config.listen.quic.port(), 5000);
    assert_eq!(crate::config::material::pin_text(&config.load_pin().unwrap()), made.certificate_pin);
    let checked = execute(&parse(&["--config", made.config.to_str().unwrap(), "--json", "check-config"]));
    checked.unwrap();
}

#[test]
fn init_twice_keeps_the_key_and_needs_force() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    let first = init(&["init", "--dir", path]).unwrap();
    let refused = init(&["init", "--dir", path]).unwrap_err();
    assert!(matches!(refused, Failure::Failed { ref code, .. } if code == "exists"), "{refused:?}");
    let ledger = dir.path().join("shared").join("ledger.redb");
    let second = init(&["init", "--dir", path, "--force", "--ledger", ledger.to_str().unwrap()]).unwrap();
    assert_eq!(second.hub, first.hub);
    assert!(!second.key_created);
    assert_ne!(second.certificate_pin, first.certificate_pin);
    assert_eq!(second.ledger, ledger);
}

#[test]
fn exposed_or_broken_secrets_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let made = init(&["init", "--dir", dir.path().to_str().unwrap()]).unwrap();
    let arguments = ["--config", made.config.to_str().unwrap(), "check-config"];
    let check = || execute(&parse(&arguments)).unwrap_err().to_string();

    std::fs::set_permissions(&made.key_file, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(check().contains("chmod 600"), "{}", check());
    std::fs::write(&made.key_file, "00".repeat(32)).unwrap();
    std::fs::set_permissions(&made.key_file, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert!(check().contains("64 hexadecimal digits"), "{}", check());
    std::fs::write(&made.key_file, "01".repeat(32)).unwrap();
    execute(&parse(&arguments)).unwrap();
    std::fs::write(&made.certificate, "no PEM").unwrap();
    assert!(check().contains("holds no certificate"), "{}", check());

    let other = tempfile::tempdir().unwrap();
    let foreign = init(&["init", "--dir", other.path().to_str().unwrap()]).unwrap();
    std::fs::copy(&foreign.certificate, &made.certificate).unwrap();
    assert!(check().contains("certificate or its key"), "{}", check());
}

#[test]
fn a_missing_configuration_is_a_usage_error() {
    let failure = execute(&parse(&["--config", "/nowhere/hub.toml", "status"])).unwrap_err();
    assert!(matches!(failure, Failure::Usage(_)), "{failure:?}");
    let error = Config::load_with(Path::new("/nowhere/hub.toml"), []).unwrap_err();
    assert!(matches!(error, ConfigError::Unreadable { .. }));
}

#[test]
fn without_a_hub_on_the_socket_operating_fails() {
    let dir = tempfile::tempdir().unwrap();
    let made = init(&["init", "--dir", dir.path().to_str().unwrap()]).unwrap();
    let failure = execute(&parse(&["--config", made.config.to_str().unwrap(), "provider", "list"])).unwrap_err();
    assert!(matches!(failure, Failure::Failed { ref code, .. } if code == "unreachable"), "{failure:?}");
}

#[test]
fn tariffs_come_from_options_or_a_file() {
    let payee = "0x00000000000000000000000000000000000000aa";
    let tariff = |arguments: &[&str]| {
        let all: Vec<&str> = ["tariff", "add", "--payee", payee, "--rating-group", "1"]
            .into_iter()
            .chain(arguments.iter().copied())
            .collect();
        match parse(&all).command {
            Command::Tariff(TariffCommand::Add(options)) => operate::tariff_of(&options),
            other => panic!("{other:?}"),
        }
    };
    let flat = tariff(&["--unit", "octets", "--price", "3/1024", "--increment", "16"]).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tariff.toml");
    std::fs::write(&file, "unit = \"octets\"\nprice = \"3/1024\"\nincrement = 16\n").unwrap();
    let read = tariff(&["--file", file.to_str().unwrap()]).unwrap();
    assert_eq!(flat.hash(), read.hash());
    std::fs::write(&file, "unit = \"octets\"\nprice = 3\n").unwrap();
    let error = tariff(&["--file", file.to_str().unwrap()]).unwrap_err().to_string();
    assert!(error.contains("line 2"), "{error}");
    let both =
        ["farthing-hub", "tariff", "add", "--payee", payee, "--rating-group", "1", "--file", "x", "--price", "1"];
    assert!(Cli::try_parse_from(both).is_err());
}

mod risk {
    use farthing_risk::file::WeightsFile;

    use super::*;

    fn fit(arguments: &[&str]) -> Result<(), Failure> {
        execute(&parse(&[&["risk", "fit"], arguments].concat()))
    }

    /// Two scenarios in which a device that reports 150 bytes a minute begins to send empty packets, and one in which none does.
    fn trace() -> String {
        let mut rows = String::from("timestamp,device_id,kind,quantity,label\n");
        for minute in 0..1200_u32 {
            for (scenario, attacks_from) in [("one", 700), ("two", 900), ("calm", 5000)] {
                rows.push_str(&format!("{},{scenario}/d,bytes,{},benign\n", minute * 60, 150 + minute % 9));
                if (attacks_from..attacks_from + 60).contains(&minute) {
                    for second in 1..20 {
                        rows.push_str(&format!("{},{scenario}/d,bytes,0,malicious\n", minute * 60 + second));
                    }
                }
            }
        }
        rows
    }

    #[test]
    fn weights_are_learned_from_a_trace_and_again_from_its_export() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        std::fs::write(path("trace.csv"), trace()).unwrap();
        let trace = format!("home={}", path("trace.csv"));
        let small = ["--generated-devices", "2", "--generated-days", "2", "--resamplings", "2"];
        let from_trace = ["--trace", &trace, "--out", &path("one.toml"), "--write-export", &path("export.csv")];
        fit(&[&from_trace[..], &small[..]].concat()).unwrap();
        let learned = WeightsFile::parse(&std::fs::read_to_string(path("one.toml")).unwrap()).unwrap();
        assert_eq!((learned.revision.as_str(), learned.profile.len()), ("fitted", 2));
        learned.model().unwrap();

        fit(&[&path("export.csv"), "--weights", &path("one.toml"), "--out", &path("two.toml"), "--revision", "again"])
            .unwrap();
        let again = WeightsFile::parse(&std::fs::read_to_string(path("two.toml")).unwrap()).unwrap();
        assert_eq!((again.revision.as_str(), again.profile), ("again", learned.profile));
    }

    #[test]
    fn what_cannot_be_learned_from_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("x.csv");
        let path = file.to_str().unwrap();
        std::fs::write(&file, "a,b\n1,2\n").unwrap();
        assert!(matches!(fit(&[path]), Err(Failure::Usage(message)) if message.contains("head")));
        assert!(matches!(fit(&["--trace", path]), Err(Failure::Usage(message)) if message.contains("NAME=FILE")));
        assert!(
            matches!(fit(&["--trace", &format!("x={path}")]), Err(Failure::Usage(message)) if message.contains("timestamp"))
        );
        assert!(matches!(fit(&["nowhere.csv"]), Err(Failure::Failed { code, .. }) if code == "io"));
        assert!(Cli::try_parse_from(["farthing-hub", "risk", "fit"]).is_err());
    }
}
