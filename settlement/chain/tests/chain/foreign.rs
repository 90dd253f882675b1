//! A wallet of another house, with nothing but the contracts' ABI.

use std::process::Command;

use farthing_chain::Finality;
use farthing_channel::time::UnixSeconds;
use farthing_ledger::{EscrowState, LedgerView as _};

use crate::anvil::Anvil;
use crate::world::{HUB, PAYERS, Side, at, key, on_chain, open};

#[test]
fn a_foreign_wallet_opens_tops_up_asks_to_leave_and_withdraws() {
    let Some(python) = std::env::var_os("FARTHING_PYTHON") else {
        eprintln!("FARTHING_PYTHON names no Python with eth-account: left out");
        return;
    };
    let anvil = Anvil::start();
    let folder = tempfile::tempdir().unwrap();
    let config = on_chain(&anvil, folder.path(), Finality::Depth(0));
    let ledger = open(folder.path(), &config);
    let mut side = Side::over(open(folder.path(), &config));
    let issue = side.issue(PAYERS[0], 5_000);
    side.submit(issue, UnixSeconds(0)).unwrap();
    let wallet = |command: &[&str]| {
        let manifest = env!("CARGO_MANIFEST_DIR");
        let mut wallet = Command::new(&python);
        wallet
            .arg(format!("{manifest}/foreign/wallet.py"))
            .arg(&anvil.url)
            .arg(format!("{manifest}/../contracts/artefacts"));
        wallet.args([config.escrow.to_string(), config.token.to_string(), at(HUB).to_string()]);
        let output = wallet.arg(hex::encode(key(PAYERS[0]).secret_bytes())).args(command).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let opened = wallet(&["open"]);
    let (id, requested_at) = opened.split_once(' ').unwrap();
    ledger.catch_up().unwrap();
    let escrow = ledger.escrow(&id.parse().unwrap()).unwrap().unwrap();
    assert_eq!((escrow.payer, escrow.deposit), (at(PAYERS[0]), 1_000));
    let at_request = UnixSeconds(requested_at.parse().unwrap());
    assert!(matches!(escrow.state, EscrowState::CloseRequested { at, .. } if at == at_request));
    anvil.pass_to(escrow.withdrawable_at().unwrap().0);
    assert_eq!(wallet(&["withdraw", id]), "5000");
    ledger.catch_up().unwrap();
    assert_eq!(ledger.escrow(&escrow.id).unwrap().unwrap().state, EscrowState::Finalized);
    ledger.audit().unwrap();
}
