//! Keys under a password, where nobody sits at a terminal.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use farthing_channel::sign::Signer as _;
use serde_json::Value;

use crate::world::key;
use crate::{key_file, settle, text};

/// The program in a session without a terminal, with these variables.
fn settle_with(site: &Path, variables: &[(&str, &str)], arguments: &[&str]) -> Output {
    let mut command = Command::new("setsid");
    command.args(["--wait", env!("CARGO_BIN_EXE_farthing-settle"), "--json", "--site"]).arg(site).args(arguments);
    command.envs(variables.iter().copied()).output().unwrap()
}

fn view(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn refused(output: &Output, with: &str) {
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.contains(with), "{told}");
}

#[test]
fn a_keystore_is_made_shown_and_put_under_another_password() {
    let directory = tempfile::tempdir().unwrap();
    let site = directory.path();
    let file = site.join("keys/alice.json");
    let new = ["key", "new", text(&file), "--keystore"];
    refused(&settle_with(site, &[], &new), "no terminal");
    refused(&settle_with(site, &[("FARTHING_NEW_KEYSTORE_PASSWORD", "")], &new), "is empty");
    assert!(!file.exists());
    let made = view(&settle_with(site, &[("FARTHING_NEW_KEYSTORE_PASSWORD", "first")], &new));
    assert_eq!(
        (made["keystore"].as_bool(), std::fs::metadata(&file).unwrap().permissions().mode() & 0o777),
        (Some(true), 0o600)
    );
    refused(&settle_with(site, &[("FARTHING_NEW_KEYSTORE_PASSWORD", "first")], &new), "it exists");
    assert_eq!(view(&settle_with(site, &[], &["key", "show", text(&file)]))["address"], made["address"]);
    // The old password from a file, the new one from another.
    let (old, next) = (site.join("old"), site.join("next"));
    std::fs::write(&old, "first\nwhat follows is not read\n").unwrap();
    std::fs::write(&next, "second").unwrap();
    let change = ["key", "password", text(&file), "--password-file", text(&old), "--new-password-file", text(&next)];
    assert_eq!(view(&settle_with(site, &[], &change))["address"], made["address"]);
    refused(&settle_with(site, &[], &change), "the password is wrong");
    assert!(!site.join("keys/alice.json.new").exists());
}

#[test]
fn keys_of_every_kind_sign() {
    let directory = tempfile::tempdir().unwrap();
    let site = directory.path();
    let (first, second) = (key_file(site, "alice.key", 2), key_file(site, "bob.key", 3));
    let encrypt = ["key", "password", text(&first)];
    let locked = view(&settle_with(site, &[("FARTHING_NEW_KEYSTORE_PASSWORD", "secret")], &encrypt));
    assert_eq!(locked["address"], key(2).address().to_string());
    assert!(!std::fs::read_to_string(&first).unwrap().contains(&hex::encode(key(2).secret_bytes())));
    let (alice, bob, payer) = (key(2).address(), key(3).address(), key(4).address());
    let init = ["ledger", "init", "--approver", &alice.to_string(), "--approver", &bob.to_string()];
    assert!(settle(site, &init).status.success());
    let payer = payer.to_string();
    let issue = ["ledger", "issue", &payer, "5.0", "--key", text(&first), "--key", text(&second)];
    refused(&settle_with(site, &[], &issue), "no terminal");
    view(&settle_with(site, &[("FARTHING_KEYSTORE_PASSWORD", "secret")], &issue));
}
