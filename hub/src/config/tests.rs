use std::path::Path;
use std::time::Duration;

use super::error::Place;
use super::template::{Choices, render};
use super::*;
use crate::transport::TransportLimits;

fn load(text: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(FILE_NAME);
    std::fs::write(&path, text).unwrap();
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::load_with(&path, variables)
}

fn problems(text: &str, variables: &[(&str, &str)]) -> Vec<Problem> {
    match load(text, variables) {
        Err(ConfigError::Invalid(problems)) => problems,
        other => panic!("expected problems, got {other:?}"),
    }
}

#[test]
fn an_empty_file_is_all_defaults() {
    let config = load("", &[]).unwrap();
    assert_eq!(config.transport, TransportLimits::default());
    assert_eq!(config.source, crate::gate::SourceLimits::default());
    assert_eq!(config.risk, crate::risk::RiskLimits::default());
    assert_eq!(config.listen.quic.port(), 4433);
    assert_eq!(config.journal.segment_bytes, 64 * 1024 * 1024);
    assert!((1..=64).contains(&config.data_plane_threads));
    assert!(config.hub.data_dir.is_absolute() && config.hub.data_dir.ends_with("data"));
}

#[test]
fn problems_name_their_line_and_column() {
    let cases: [(&str, usize, usize, &str); 14] = [
        ("[hub]\ncolour = 3\n", 2, 1, "unknown field `colour`"),
        ("\n[hubb]\n", 2, 2, "unknown field `hubb`"),
        ("[listen]\nquic = \"nonsense\"\n", 2, 8, "invalid socket address"),
        ("[hub]\naccount = \"0x12\"\n", 2, 1, "unknown field `account`"),
        ("[hub]\nkey_file = \n", 2, 12, ""),
        ("[transport]\n\nidle_timeout_ms = 5\n", 3, 19, "between 1000 and 86400000"),
        ("[transport]\nconnections_max = \"many\"\n", 2, 19, "invalid type"),
        ("[transport]\nconnections_max = -1\n", 2, 19, "invalid value"),
        ("[drain]\ngoodbye_ms = 0\n", 2, 14, "between 1 and"),
        ("[source]\nhashes_burst = 10\n", 2, 16, "between 256 and"),
        ("[risk]\nnearly_spent_permille = 1001\n", 2, 25, "between 0 and 1000"),
        ("[data_plane]\nthreads = 65\n", 2, 11, "between 1 and 64"),
        ("[log]\nfilter = \"a=b=c\"\n", 2, 10, "is no filter"),
        ("[ledger]\nkind = \"evm\"\n", 2, 8, "unknown variant `evm`"),
    ];
    for (text, line, column, message) in cases {
        let found = problems(text, &[]);
        let Place::Line { line: found_line, column: found_column, .. } = found[0].place else {
            panic!("{text:?}: {found:?}");
        };
        assert_eq!((found_line, found_column), (line, column), "{text:?}: {}", found[0]);
        assert!(found[0].message.contains(message), "{text:?}: {}", found[0]);
    }
}

#[test]
fn a_problem_quotes_its_line() {
    let found = problems("[journal]\nsegment_mib = 1000 # big\n", &[]);
    let text = found[0].to_string();
    let (first, rest) = text.split_once('\n').unwrap();
    assert!(first.ends_with(":2:15: journal.segment_mib is 1000 and must lie between 1 and 256"), "{first}");
    assert_eq!(rest, "   2 | segment_mib = 1000 # big\n     |               ^^^^");
}

#[test]
fn all_problems_of_meaning_are_found_at_once() {
    let found = problems("[journal]\nsegment_mib = 0\n[drain]\ndeadline_seconds = 0\n", &[]);
    // The drain deadline is also shorter than the default time for goodbyes, whose place is a default.
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(matches!(&found[2].place, Place::Default { key, .. } if key == "drain.goodbye_ms"));
}

#[test]
fn variables_override_the_file_with_the_types_of_the_keys() {
    let text = "[listen]\nquic = \"127.0.0.1:1\"\n[risk]\nvalidity_seconds = 5\n";
    let variables = [
        ("FARTHING_HUB__LISTEN__QUIC", "[::1]:7000"),
        ("FARTHING_HUB__RISK__LANE_LIMIT_BASE_UNITS", "18446744073709551615"),
        ("FARTHING_HUB__TRANSPORT__EARLY_DATA", "false"),
        ("FARTHING_HUB__LOG__FORMAT", "json"),
        ("FARTHING_HUB__LOG__FILTER", "warn,farthing_hub=debug"),
        ("FARTHING_HUB__DATA_PLANE__THREADS", "1"),
        ("FARTHING_HUB__DRAIN__GOODBYE_MS", "700"),
        ("UNRELATED", "x"),
    ];
    let config = load(text, &variables).unwrap();
    assert_eq!(config.listen.quic.to_string(), "[::1]:7000");
    assert_eq!(config.risk.lane_limit_base_units, u64::MAX);
    assert_eq!(config.risk.validity_seconds, 5);
    assert!(!config.transport.early_data);
    assert_eq!(config.transport.drain_timeout, Duration::from_millis(700));
    assert_eq!(config.log.format, LogFormat::Json);
    assert_eq!(config.log.filter, "warn,farthing_hub=debug");
}

#[test]
fn wrong_variables_are_named() {
    let cases = [
        ("FARTHING_HUB__HUB", "x", "SECTION__KEY"),
        ("FARTHING_HUB__HUB__COLOUR", "red", "unknown field `colour`"),
        ("FARTHING_HUB__JOURNAL__SEGMENT_MIB", "large", "invalid type"),
        ("FARTHING_HUB__JOURNAL__SEGMENT_MIB", "0", "must lie between"),
        ("FARTHING_HUB__LISTEN__QUIC", "1\nadmin = 'x'", "invalid socket address"),
    ];
    for (name, value, message) in cases {
        let found = problems("", &[(name, value)]);
        assert_eq!(found[0].place, Place::Variable(name.to_owned()), "{found:?}");
        assert!(found[0].message.contains(message), "{}", found[0]);
    }
}

#[test]
fn an_unreadable_file_is_named() {
    let error = Config::load_with(Path::new("/nowhere/farthing-hub.toml"), []).unwrap_err();
    assert!(error.to_string().contains("/nowhere/farthing-hub.toml"), "{error}");
}

/// The commented defaults of the template are the loader's defaults, and every key of the loader stands in it.
#[test]
fn the_template_shows_every_default_as_it_is() {
    let choices = Choices { quic: "0.0.0.0:4433", ledger: Path::new("ledger.redb") };
    let text = render(&choices);
    let from_template = load(&text, &[]).unwrap();
    let without_comments: String = text
        .lines()
        .map(|line| {
            let setting = line.strip_prefix("# ").unwrap_or(line);
            let is_setting = setting
                .split_once(" = ")
                .is_some_and(|(key, _)| key.bytes().all(|byte| byte == b'_' || byte.is_ascii_lowercase()));
            // It has no default that could be written down.
            let has_example = setting.starts_with("lane_limit");
            if is_setting && !has_example { format!("{setting}\n") } else { format!("{line}\n") }
        })
        .collect();
    let uncommented = load(&without_comments, &[]).unwrap();
    let empty = load("", &[]).unwrap();
    for config in [&from_template, &uncommented] {
        let shown = |config: &Config| {
            let mut config = config.clone();
            let base = config.file.parent().unwrap().to_owned();
            config.file = Path::new(FILE_NAME).to_owned();
            format!("{config:?}").replace(base.to_str().unwrap(), "")
        };
        assert_eq!(shown(config), shown(&empty));
    }
    let keys = without_comments.lines().filter(|line| !line.starts_with('#') && line.contains(" = ")).count();
    // Fields of the forms, less the one with an example.
    assert_eq!(keys, 2 + 3 + 2 + 3 + 19 + 7 + 4 + 2 + 4 + 2 + 2 + 2 + 1 + 2);
}
