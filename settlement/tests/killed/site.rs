//! A settlement site on a chain, worked by real processes: two escrows, a fleet's and a lone payer's, and two providers.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use farthing_channel::eip712::Domain;
use farthing_channel::id::{Address, EscrowId, LaneId};
use farthing_channel::record::Record;
use farthing_channel::sign::Signer as _;
use farthing_ledger::{LedgerReader, LedgerView as _};
use serde_json::Value;

use crate::chain::{Chain, FINALITY_DEPTH, sums, word};
use crate::world::{Lane, World, key};

const SENDER: u16 = 50;
const LONE_PAYER: u16 = 5;
const DEPOSIT: u64 = 1_000_000_000;

pub struct Site {
    pub chain: Chain,
    pub folder: PathBuf,
    world: World,
    lanes: Vec<Lane>,
    /// What each provider is owed in all, by the nights so far.
    owed: BTreeMap<String, u128>,
    /// What each escrow has to pay in all.
    totals: BTreeMap<String, u128>,
    pub nights: u64,
    contracts: [String; 3],
}

impl Site {
    /// Contracts, accounts, deposits; the journal holds the mandates and lanes, and no payment yet.
    pub fn new() -> Self {
        let chain = Chain::start();
        let mut world = World::new(2);
        let folder = world.directory.path().join("on-chain");
        std::fs::create_dir_all(folder.join("hub")).unwrap();
        for (name, number) in [
            ("sender.key", SENDER),
            ("hub/hub.key", 1),
            ("alice.key", 2),
            ("bob.key", 3),
            ("payer.key", 4),
            ("lone.key", LONE_PAYER),
        ] {
            let path = folder.join(name);
            std::fs::write(&path, hex::encode(key(number).secret_bytes())).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        [SENDER, 1, 4, LONE_PAYER].iter().for_each(|number| chain.fund(&key(*number).address()));
        let url = chain.url.clone();
        let mut site = Self {
            chain,
            folder,
            lanes: Vec::new(),
            owed: BTreeMap::new(),
            totals: BTreeMap::new(),
            nights: 0,
            contracts: Default::default(),
            world: World::new(0),
        };
        let approvers = [2, 3].map(|number| key(number).address().to_string());
        let depth = FINALITY_DEPTH.to_string();
        site.json(&[
            "ledger",
            "init",
            "--approver",
            &approvers[0],
            "--approver",
            &approvers[1],
            "--chain-rpc",
            &url,
            "--demo-token",
            "--finality-depth",
            &depth,
            "--poll-ms",
            "15",
        ]);
        site.configure("bump_after_blocks", "1000");
        let keys = ["--key".to_owned(), site.path("alice.key"), "--key".to_owned(), site.path("bob.key")];
        let approved = |arguments: &[&str]| {
            let arguments: Vec<&str> = arguments.iter().copied().chain(keys.iter().map(String::as_str)).collect();
            site.json(&arguments);
        };
        let register = |account: Address, kind: &str| {
            approved(&["ledger", "register", &account.to_string(), "--kind", kind, "--label", kind]);
        };
        register(world.hub.address(), "hub");
        world.providers.iter().for_each(|provider| register(provider.address(), "provider"));
        let mut escrows = Vec::new();
        for (file, number) in [("payer.key", 4), ("lone.key", LONE_PAYER)] {
            approved(&["ledger", "issue", &key(number).address().to_string(), &DEPOSIT.to_string()]);
            let opened = site.json(&["escrow", "open", "--key", &site.path(file), "--deposit", &DEPOSIT.to_string()]);
            escrows.push(opened["escrow"].as_str().unwrap().parse::<EscrowId>().unwrap());
        }
        world.domain = site.domain();
        site.contracts = site.contracts();
        site.lanes = journal(&mut world, &escrows);
        site.world = world;
        site
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).to_str().unwrap().to_owned()
    }

    fn domain(&self) -> Domain {
        LedgerReader::open(self.folder.join("ledger.redb")).unwrap().identity().domain()
    }

    fn contracts(&self) -> [String; 3] {
        let text = std::fs::read_to_string(self.folder.join("chain.toml")).unwrap();
        let config: toml::Table = toml::from_str(&text).unwrap();
        ["escrow", "net_settlement", "token"].map(|name| config[name].as_str().unwrap().to_owned())
    }

    /// Changes one value of the chain's configuration.
    pub fn configure(&self, name: &str, value: &str) {
        let path = self.folder.join("chain.toml");
        let mut config: toml::Table = toml::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let value = value.parse::<i64>().map_or_else(|_| toml::Value::from(value), toml::Value::from);
        config.insert(name.to_owned(), value);
        std::fs::write(&path, toml::to_string(&config).unwrap()).unwrap();
    }

    /// The program on this site.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_farthing-settle"));
        command.arg("--json").arg("--site").arg(&self.folder).arg("--journal").arg(&self.world.journal.directory);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn spawn(&self, arguments: &[&str]) -> Child {
        self.command(arguments).spawn().unwrap()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        // A chain that reorganises may refuse in passing what it takes a moment later.
        for _ in 0..20 {
            let output = self.command(arguments).output().unwrap();
            if output.status.success() {
                return serde_json::from_slice(&output.stdout).unwrap();
            }
            eprintln!("{arguments:?}: {}", String::from_utf8_lossy(&output.stdout));
        }
        panic!("{arguments:?} never succeeded");
    }

    /// The night's commands in their order: proposal, two approvals, and the rest.
    pub fn approvals(&self) -> [[String; 3]; 2] {
        ["alice.key", "bob.key"].map(|name| ["approve".into(), "--key".into(), self.path(name)])
    }

    /// The stages of the open epoch whose output is kept.
    pub fn stages(&self) -> Vec<String> {
        let status = self.json(&["show"]);
        let kept = status["stages"].as_array().unwrap().iter().filter(|stage| !stage["output"].is_null());
        kept.map(|stage| stage["stage"].as_str().unwrap().to_owned()).collect()
    }

    /// Another day of payments on every lane.
    pub fn day(&mut self) {
        self.nights += 1;
        let mut records = Vec::new();
        for (lane, each) in self.lanes.iter().zip(1_u64..) {
            let total = 1_000 * each * self.nights;
            records.push(self.world.voucher(lane, total));
            *self.owed.entry(padded(&lane.image.payee.to_string())).or_default() += u128::from(1_000 * each);
            let escrow = lane.image.escrow.to_string().trim_start_matches("0x").to_owned();
            *self.totals.entry(escrow).or_default() += u128::from(1_000 * each);
        }
        self.world.journal.write(&records);
    }

    /// Each transfer of each night happened once, and nothing else did.
    pub fn assert_settled_once(&self) {
        let [escrow, net, token] = &self.contracts;
        let nights = usize::try_from(self.nights).unwrap();
        let settled = self.chain.events(escrow, "Settled(bytes32,address,address,uint256,uint256,uint256)");
        assert_eq!(settled.len(), 2 * nights, "each escrow settles once a night: {settled:?}");
        assert_eq!(sums(&settled, 0, 4), self.totals);
        let posted = self.chain.events(
            escrow,
            "BatchPosted(bytes32,bytes32,(bytes32,uint128,uint128,bytes32,uint32,uint32,bytes32,uint64),uint64)",
        );
        assert_eq!(posted.len(), nights + nights, "each batch is posted once");
        let moved = self.chain.events(net, "Transferred(bytes32,address,address,uint64,uint256,address,uint128)");
        assert_eq!(moved.len(), 2 * nights, "each leg happens once: {moved:?}");
        assert_eq!(sums(&moved, 2, 6), self.owed);
        let closed =
            self.chain.events(net, "EpochClosed(address,uint64,bytes32,(uint16,uint64,uint64,bytes32)[],bytes32)");
        let epochs: Vec<_> = closed.iter().map(|words| word(&words[1])).collect();
        assert_eq!(epochs, (1..=u128::from(self.nights)).collect::<Vec<_>>());
        for (provider, owed) in &self.owed {
            assert_eq!(self.chain.number_of(net, "balances(address)", provider), *owed);
        }
        let hub = padded(&self.world.hub.address().to_string());
        assert_eq!(self.chain.number_of(net, "balances(address)", &hub), 0, "the hub keeps nothing back");
        let paid: u128 = self.owed.values().sum();
        assert_eq!(self.chain.number_of(token, "balanceOf(address)", net), paid);
        let held = 2 * u128::from(DEPOSIT) - paid;
        let bonds = self.chain.number_of(token, "balanceOf(address)", escrow) - held;
        let sender = self.chain.number_of(token, "balanceOf(address)", &key(SENDER).address().to_string());
        assert_eq!(sender + bonds + 2 * u128::from(DEPOSIT), 1 << 60, "what the sender spent lies in bonds");
        assert!(bonds <= paid / 10, "the bond is put down once and used again: {bonds}");
        assert_eq!(self.json(&["ledger", "audit"])["conserved"], true);
    }
}

/// An address as a word of the log.
fn padded(address: &str) -> String {
    format!("{:0>64}", address.trim_start_matches("0x").to_ascii_lowercase())
}

/// Mandates for two devices of the fleet with a lane to each provider, and the lone payer's own lane.
fn journal(world: &mut World, escrows: &[EscrowId]) -> Vec<Lane> {
    let mut records = world.mandates(&key(4), escrows[0], &[10, 11], 500_000_000, 1);
    let mut lanes = Vec::new();
    for (device, provider) in [(10, 0), (10, 1), (11, 1)] {
        let (lane, opened) = world.lane(escrows[0], device, provider, 1);
        records.push(opened);
        lanes.push(lane);
    }
    let (mut lone, _) = world.lane(escrows[1], LONE_PAYER, 0, 1);
    lone.image.lane = LaneId::of_escrow(&escrows[1]);
    records.push(Record::Lane(lone.image));
    lanes.push(lone);
    world.journal.write(&records);
    lanes
}
