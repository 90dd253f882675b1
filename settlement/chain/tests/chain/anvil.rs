//! A development chain of its own for a test.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use farthing_chain::rpc::Rpc;
use farthing_channel::id::Address;
use serde_json::{Value, json};

/// When the chain begins, so that times in tests are the same in every run.
pub(crate) const GENESIS: u64 = 1_800_000_000;

/// A running node; dropping it ends it.
#[derive(Debug)]
pub(crate) struct Anvil {
    child: Child,
    pub(crate) url: String,
    pub(crate) rpc: Rpc,
}

impl Anvil {
    pub(crate) fn start() -> Self {
        let program = std::env::var_os("FARTHING_ANVIL").unwrap_or_else(|| "anvil".into());
        let mut command = Command::new(program);
        command.args(["--port", "0", "--accounts", "1", "--timestamp", &GENESIS.to_string()]);
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut child = child.expect("anvil starts; `cargo xtask test` installs it and sets FARTHING_ANVIL");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let address = line.strip_prefix("Listening on ")?;
            Some(address.trim().to_owned())
        });
        // What it says later is read, or the pipe would fill up.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        let url = format!("http://{}", address.expect("anvil says where it listens"));
        Self { child, rpc: Rpc::new(&url), url }
    }

    pub(crate) fn ask(&self, method: &str, params: Value) -> Value {
        self.rpc.ask(method, params).unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// Currency for gas.
    pub(crate) fn fund(&self, account: &Address) {
        self.ask("anvil_setBalance", json!([account.to_string(), "0x56bc75e2d63100000"]));
    }

    /// Takes the currency for gas away.
    pub(crate) fn drain(&self, account: &Address) {
        self.ask("anvil_setBalance", json!([account.to_string(), "0x0"]));
    }

    pub(crate) fn time(&self) -> u64 {
        self.rpc.latest().unwrap().timestamp.to()
    }

    /// Makes the next block's time `at`, and the block.
    pub(crate) fn pass_to(&self, at: u64) {
        self.ask("evm_setNextBlockTimestamp", json!([at]));
        self.mine(1);
    }

    pub(crate) fn mine(&self, blocks: u64) {
        for _ in 0..blocks {
            self.ask("evm_mine", json!([]));
        }
    }
}

impl Drop for Anvil {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
