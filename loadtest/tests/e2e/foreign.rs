//! A client in another language, on other libraries, written from PROTOCOL.md alone.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use farthing_channel::codec::encode_to_vec;
use farthing_channel::mandate::sign_mandate;

use crate::support::{LIMIT, RATING_GROUP, World};

#[test]
fn a_python_client_attaches_pays_and_is_refused_what_it_should_be() {
    let Some(python) = std::env::var_os("FARTHING_PYTHON") else {
        eprintln!("FARTHING_PYTHON names no Python with aioquic, cbor2 and eth-account: left out");
        return;
    };
    let world = World::new(0);
    let folder = world.folder.path();
    let key = world.fleet.seed.signer("foreign").unwrap();
    let key_file = folder.join("foreign.key");
    std::fs::write(&key_file, hex::encode(key.secret_bytes())).unwrap();
    std::fs::set_permissions(&key_file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let payer = world.site.payer(&world.fleet.escrow).unwrap();
    let terms = world.fleet.terms("foreign", LIMIT).unwrap();
    let bundle = sign_mandate(payer, &world.fleet.contact.ledger, world.fleet.escrow, terms).unwrap();
    let mandate = folder.join("foreign.cbor");
    std::fs::write(&mandate, encode_to_vec(&bundle)).unwrap();

    let mut authorised = 0;
    for transport in ["datagram", "stream"] {
        let mut client = Command::new(&python);
        client.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/foreign/client.py"));
        client.args(["--hub", &world.fleet.contact.hub, "--pin", &world.fleet.contact.pin.to_string()]);
        client.arg("--key").arg(format!("@{}", key_file.display()));
        client.args(["--escrow", &world.fleet.escrow.to_string()]);
        client.arg("--mandate").arg(&mandate);
        client.args(["--payee", &world.fleet.lane.payee.to_string()]);
        client.args(["--rating-group", &RATING_GROUP.to_string(), "--transport", transport, "--probe"]);
        let output = client.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{transport}: {said}{}", String::from_utf8_lossy(&output.stderr));
        let said: serde_json::Value = serde_json::from_str(said.trim()).unwrap();
        assert_eq!(said["resumed_from"], authorised, "{said}");
        authorised = said["authorised"].as_u64().unwrap();
    }
    assert!(authorised > 0);
    assert_eq!(world.authorised(), u128::from(authorised));
    world.site.finish().unwrap();
}
