//! What is checked before a ledger is put on a chain.

use std::sync::Arc;

use farthing_chain::deploy::Deployment;
use farthing_chain::{ChainError, Finality, TransactionSigner};

use crate::anvil::Anvil;
use crate::world::{APPROVERS, SENDER, at, key, on_chain};

/// Otherwise every amount in print would be wrong by powers of ten.
#[test]
fn a_token_that_counts_otherwise_is_refused() {
    let anvil = Anvil::start();
    let folder = tempfile::tempdir().unwrap();
    let config = on_chain(&anvil, folder.path(), Finality::Depth(0));
    let deployment = Deployment {
        rpc_url: anvil.url.clone(),
        finality: Finality::Depth(0),
        poll_interval_ms: 5,
        token: Some(config.token),
        decimals: 18,
        approvers: APPROVERS.map(at).to_vec(),
        bond_wei: 1_000_000,
        answer_gas_price_min_wei: 1,
    };
    let deployer: Arc<dyn TransactionSigner> = Arc::new(key(SENDER));
    let blocks = anvil.rpc.latest().unwrap().number;
    let mirror = folder.path().join("other.redb");
    let refused = deployment.make(&mirror, &folder.path().join("other.outbox"), &deployer).unwrap_err();
    assert!(matches!(refused, ChainError::OtherDecimals { expected: 18, found: 6 }), "{refused}");
    assert!(refused.is_lasting() && !mirror.exists());
    assert_eq!(anvil.rpc.latest().unwrap().number, blocks, "nothing was made");
}
