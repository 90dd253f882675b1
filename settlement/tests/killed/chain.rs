//! A development chain that mines and reorganises on its own, and what its log says of the money.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use farthing_chain::rpc::Rpc;
use farthing_channel::id::{Address, keccak256};
use serde_json::{Value, json};

/// Blocks on top of one that is final; no reorganisation goes deeper.
pub const FINALITY_DEPTH: u64 = 3;

/// Pause between two blocks.
const BLOCK_TIME: Duration = Duration::from_millis(15);

/// Of so many blocks one is followed by a reorganisation.
const BLOCKS_PER_REORGANISATION: u64 = 9;

/// A running node with its miner; dropping it ends both.
#[derive(Debug)]
pub struct Chain {
    child: Child,
    pub url: String,
    pub address: String,
    rpc: Arc<Rpc>,
    stop: Arc<AtomicBool>,
    miner: Option<JoinHandle<u64>>,
}

impl Chain {
    pub fn start() -> Self {
        let program = std::env::var_os("FARTHING_ANVIL").unwrap_or_else(|| "anvil".into());
        let mut command = Command::new(program);
        command.args(["--port", "0", "--accounts", "1", "--no-mining"]);
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut child = child.expect("anvil starts; `cargo xtask test` installs it and sets FARTHING_ANVIL");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let address = line.strip_prefix("Listening on ")?;
            Some(address.trim().to_owned())
        });
        // What it says later is read, or the pipe would fill up.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        let address = address.expect("anvil says where it listens");
        let url = format!("http://{address}");
        let (rpc, stop) = (Arc::new(Rpc::new(&url)), Arc::new(AtomicBool::new(false)));
        let miner = std::thread::spawn({
            let (rpc, stop) = (Arc::clone(&rpc), Arc::clone(&stop));
            move || mine(&rpc, &stop)
        });
        Self { child, url, address, rpc, stop, miner: Some(miner) }
    }

    pub fn ask(&self, method: &str, params: Value) -> Value {
        self.rpc.ask(method, params).unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// Currency for gas.
    pub fn fund(&self, account: &Address) {
        self.ask("anvil_setBalance", json!([account.to_string(), "0x56bc75e2d63100000"]));
    }

    /// Lets so many seconds pass.
    pub fn pass(&self, seconds: u64) {
        self.ask("evm_increaseTime", json!([seconds]));
    }

    /// Ends mining, and returns how often the chain was reorganised. What was sent is final then.
    pub fn rest(&mut self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.miner.take().map_or(0, |miner| miner.join().unwrap())
    }

    /// The words behind every entry of the log with this event's signature: its topics after the first, then its data.
    pub fn events(&self, contract: &str, signature: &str) -> Vec<Vec<String>> {
        let topic = format!("0x{}", hex::encode(keccak256(&[signature.as_bytes()])));
        let filter = json!([{"fromBlock": "0x0", "toBlock": "latest", "address": contract, "topics": [topic]}]);
        let words = |entry: &Value| {
            let topics = entry["topics"].as_array().unwrap().iter().skip(1);
            let mut words: Vec<_> =
                topics.map(|word| word.as_str().unwrap().trim_start_matches("0x").to_owned()).collect();
            let data = entry["data"].as_str().unwrap().trim_start_matches("0x");
            words.extend(data.as_bytes().chunks(64).map(|word| String::from_utf8(word.to_vec()).unwrap()));
            words
        };
        self.ask("eth_getLogs", filter).as_array().unwrap().iter().map(words).collect()
    }

    /// What the view `signature` of a contract answers about an account.
    pub fn number_of(&self, contract: &str, signature: &str, account: &str) -> u128 {
        let selector = hex::encode(&keccak256(&[signature.as_bytes()])[..4]);
        let data = format!("0x{selector}{:0>64}", account.trim_start_matches("0x"));
        let answer = self.ask("eth_call", json!([{"to": contract, "data": data}, "latest"]));
        word(answer.as_str().unwrap().trim_start_matches("0x"))
    }
}

/// A word of the log as a number.
pub fn word(digits: &str) -> u128 {
    u128::from_str_radix(&digits[digits.len() - 32..], 16).unwrap()
}

/// Adds up column `amount` for each value of column `by`.
pub fn sums(events: &[Vec<String>], by: usize, amount: usize) -> BTreeMap<String, u128> {
    let mut sums = BTreeMap::new();
    events.iter().for_each(|words| *sums.entry(words[by].clone()).or_default() += word(&words[amount]));
    sums
}

/// Blocks for ever, and now and then other blocks in place of the last few: what was in them is gone.
fn mine(rpc: &Rpc, stop: &AtomicBool) -> u64 {
    let (mut blocks, mut reorganisations) = (0_u64, 0_u64);
    while !stop.load(Ordering::Relaxed) {
        std::thread::sleep(BLOCK_TIME);
        let _: Result<Value, _> = rpc.ask("evm_mine", json!([]));
        blocks += 1;
        if blocks.is_multiple_of(BLOCKS_PER_REORGANISATION) {
            let depth = 1 + reorganisations % FINALITY_DEPTH;
            if rpc.ask::<Value>("anvil_reorg", json!([depth, []])).is_ok() {
                reorganisations += 1;
            }
        }
    }
    reorganisations
}

impl Drop for Chain {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
