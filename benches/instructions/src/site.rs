//! A hub without sockets: its data plane, its table and its journal, turned packet by packet.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use bytes::BytesMut;
use farthing_channel::eip712::Domain;
use farthing_channel::id::{Address, EscrowId, EscrowTerms, Hash32};
use farthing_channel::mandate::{Authority, MandateBundle, MandateTerms};
use farthing_channel::record::{EscrowImage, EscrowState, Record};
use farthing_channel::sign::{LibSecpKey, Signer as _, sign_typed};
use farthing_channel::time::UnixSeconds;
use farthing_hub::checkpoint::CheckpointProgress;
use farthing_hub::gate::SourceLimits;
use farthing_hub::journal::commit::{CommitThread, Hooks};
use farthing_hub::journal::config::JournalConfig;
use farthing_hub::journal::storage::DiskStorage;
use farthing_hub::journal::writer::JournalWriter;
use farthing_hub::observe::metrics::Metrics;
use farthing_hub::risk::RiskLimits;
use farthing_hub::risk::engine::{ModelSettings, RiskEngine};
use farthing_hub::session::{DataPlane, Exchange, Heartbeat, Serving, Shared};
use farthing_hub::table::Table;
use farthing_hub::transport::{Datagram, Fabric, Identity, InProcess, TransportLimits};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};

use crate::counting::Counting;

/// A commit that takes longer is stuck, also under a simulator.
const DURABLE_DEADLINE: Duration = Duration::from_secs(60);

/// Whom every device pays.
pub(crate) const PAYEE: Address = Address([2; 20]);

/// A packet on its way, with the address of the device's side.
#[derive(Debug)]
pub(crate) struct Packet {
    pub(crate) device: SocketAddr,
    pub(crate) payload: BytesMut,
}

/// The hub.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) domain: Domain,
    pub(crate) hub: Address,
    pub(crate) escrow: EscrowId,
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) plane: Counting<DataPlane>,
    endpoint: InProcess,
    table: Arc<Table>,
    payer: LibSecpKey,
    committed: Receiver<()>,
    commit: Option<CommitThread>,
    _folder: tempfile::TempDir,
}

impl Site {
    /// A hub with an escrow that nothing exhausts, which serves.
    pub(crate) fn new(now: Instant) -> anyhow::Result<Self> {
        let domain = Domain::new(31_337, Address([0xc0; 20]));
        let (key, payer) = (LibSecpKey::from_bytes([5; 32])?, LibSecpKey::from_bytes([6; 32])?);
        let hub = key.address();
        let made = rcgen::generate_simple_self_signed(vec!["localhost".into()])?;
        let certificate = made.cert.der().clone();
        let private_key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()).into();
        let identity = Identity { certificate_chain: vec![certificate.clone()], private_key };
        let fabric = Fabric::new(identity, TransportLimits::default(), 1)?;
        let endpoint = InProcess::new(&fabric, now)?;
        let folder = tempfile::tempdir()?;
        let (commit, committed) = journal(&folder, &hub)?;
        let table = Arc::new(Table::default());
        let escrow = open_escrow(&table, &domain, &hub, payer.address())?;
        let shared = Arc::new(Shared {
            table: Arc::clone(&table),
            journal: commit.handle(),
            domain,
            key,
            account: hub,
            certificate: certificate.to_vec(),
            risk: Arc::new(RiskEngine::new(RiskLimits::default(), &ModelSettings::default())?),
            source_limits: SourceLimits::default(),
            metrics: Metrics::new(fabric)?,
            serving: Serving::default(),
            heartbeat: Heartbeat::new(1),
            exchange: Exchange::new(1),
            checkpointed: CheckpointProgress::default(),
            score_log: None,
        });
        shared.serving.start();
        let plane = Counting::new(DataPlane::new(shared, 0));
        let commit = Some(commit);
        Ok(Self { domain, hub, escrow, certificate, plane, endpoint, table, payer, committed, commit, _folder: folder })
    }

    /// Lets `device` spend without limit.
    pub(crate) fn mandate(&self, device: Address) -> anyhow::Result<()> {
        let terms = MandateTerms {
            device,
            limit: u128::from(u64::MAX),
            expiry: UnixSeconds(u64::MAX),
            serial: 1,
            payees: vec![],
        };
        let Ok(signature) = sign_typed(&self.payer, &self.domain, &terms.typed(&self.escrow));
        let authority = Authority::Direct { signature: signature.into() };
        self.table.apply(&Record::Mandates(MandateBundle { escrow: self.escrow, mandates: vec![terms], authority }))?;
        Ok(())
    }

    /// One turn of the data plane's loop.
    pub(crate) fn turn(&mut self, now: Instant, woken: bool, incoming: Vec<Packet>, outgoing: &mut Vec<Packet>) {
        let incoming = incoming.into_iter().map(|packet| Datagram {
            remote: packet.device,
            local_ip: None,
            ecn: None,
            payload: packet.payload,
        });
        self.endpoint.turn(&mut self.plane, now, woken, incoming, |device, payload| {
            outgoing.push(Packet { device, payload: payload.into() });
        });
    }

    /// Waits until the journal has news.
    pub(crate) fn wait_committed(&self) -> anyhow::Result<()> {
        match self.committed.recv_timeout(DURABLE_DEADLINE) {
            Ok(()) => Ok(()),
            Err(RecvTimeoutError::Timeout) => bail!("the journal commits nothing"),
            Err(RecvTimeoutError::Disconnected) => bail!("the journal has stopped"),
        }
    }

    /// Ends the journal's thread.
    pub(crate) fn finish(mut self) -> anyhow::Result<()> {
        let commit = self.commit.take().context("the journal runs")?;
        commit.stop().context("the journal failed")?;
        Ok(())
    }
}

/// The journal's thread, on files, and what tells of each commit.
fn journal(folder: &tempfile::TempDir, hub: &Address) -> anyhow::Result<(CommitThread, Receiver<()>)> {
    let config = JournalConfig { hub: hub.0, thread: 0, term: 1, segment_bytes: 64 * 1024 * 1024 };
    let writer = JournalWriter::create(DiskStorage::open(folder.path())?, config)?;
    let (tell, committed) = channel();
    // The receiver is gone when the measurement is over, and nobody wants to know any more.
    let notify = Arc::new(move || {
        let _ = tell.send(());
    });
    Ok((CommitThread::start(writer, Hooks { now_ms: Box::new(|| 1_000), notify })?, committed))
}

fn open_escrow(table: &Table, domain: &Domain, hub: &Address, payer: Address) -> anyhow::Result<EscrowId> {
    let terms = EscrowTerms {
        payer,
        payee: *hub,
        token: Address::ZERO,
        salt: Hash32([3; 32]),
        authorized_signer: Address::ZERO,
    };
    let id = terms.id(&domain.contract(), domain.chain_id());
    table.apply(&Record::Provider { address: PAYEE, name: "provider".into(), active: true })?;
    table.apply(&Record::Escrow(EscrowImage {
        id,
        payer,
        payee: *hub,
        token: Address::ZERO,
        salt: terms.salt,
        authorized_signer: Address::ZERO,
        deposit: u64::MAX,
        settled: 0,
        state: EscrowState::Open,
    }))?;
    Ok(id)
}
