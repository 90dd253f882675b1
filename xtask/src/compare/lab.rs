//! The servers and clients, started on first use and ended with the lab.

use std::cell::OnceCell;

use super::ecdsa::Ecdsa;
use super::generator;
use super::postgres::{Postgres, Statement};
use super::redis::{Load, Redis};
use super::shapes::Contender;
use crate::generator::Generator;
use crate::process::Failure;
use crate::workspace::Workspace;

/// How much one run does.
#[derive(Debug, Clone, Copy)]
struct Effort {
    seconds: u32,
    debits_single: u64,
    debits_pipelined: u64,
}

/// Long enough that starts and ends do not count.
const FULL: Effort = Effort { seconds: 10, debits_single: 400_000, debits_pipelined: 2_000_000 };

/// Enough to see that all of it works.
const QUICK: Effort = Effort { seconds: 3, debits_single: 60_000, debits_pipelined: 400_000 };

/// Everything that is measured.
#[derive(Debug)]
pub(super) struct Lab<'a> {
    workspace: &'a Workspace,
    effort: Effort,
    redis: OnceCell<Redis>,
    postgres: OnceCell<Postgres>,
    generator: OnceCell<Generator>,
    ecdsa: OnceCell<Ecdsa>,
    /// What took turns with the hub in its last run.
    beside: Option<f64>,
}

impl<'a> Lab<'a> {
    pub(super) fn open(workspace: &'a Workspace, quick: bool) -> Result<Self, Failure> {
        Ok(Self {
            workspace,
            effort: if quick { QUICK } else { FULL },
            redis: OnceCell::new(),
            postgres: OnceCell::new(),
            generator: OnceCell::new(),
            ecdsa: OnceCell::new(),
            beside: None,
        })
    }

    /// One run. What it needs is built or started first, and not part of it.
    pub(super) fn measure(&mut self, contender: &Contender) -> Result<f64, Failure> {
        let workspace = self.workspace;
        match *contender {
            Contender::Hub(profile) => {
                let generator = started(&self.generator, || Generator::build(workspace))?;
                let rates = generator::rates(generator, profile, self.effort.seconds)?;
                self.beside = rates.beside;
                Ok(rates.hub)
            }
            Contender::Beside => self.beside.ok_or_else(|| Failure::new("nothing took turns with the hub")),
            Contender::Redis(load) => {
                let redis = started(&self.redis, || Redis::start(workspace))?;
                redis.debits_per_s(load, self.debits(load))
            }
            Contender::Postgres(statement) => self.postgres(statement),
            Contender::Ecdsa(kind) => {
                started(&self.ecdsa, || Ecdsa::build(workspace))?.rate(kind, self.effort.seconds.div_ceil(2))
            }
            Contender::Published(rate) => Ok(rate),
        }
    }

    fn postgres(&self, statement: Statement) -> Result<f64, Failure> {
        started(&self.postgres, || Postgres::start(self.workspace))?.updates_per_s(statement, self.effort.seconds)
    }

    fn debits(&self, load: Load) -> u64 {
        if load.pipeline > 1 { self.effort.debits_pipelined } else { self.effort.debits_single }
    }

    /// The peers that were started, with their versions.
    pub(super) fn versions(&self) -> Result<Vec<String>, Failure> {
        let mut versions = Vec::new();
        if let Some(redis) = self.redis.get() {
            versions.push(redis.version()?);
        }
        if let Some(postgres) = self.postgres.get() {
            versions.push(postgres.version()?);
        }
        Ok(versions)
    }
}

fn started<T>(place: &OnceCell<T>, start: impl FnOnce() -> Result<T, Failure>) -> Result<&T, Failure> {
    if let Some(there) = place.get() {
        return Ok(there);
    }
    let new = start()?;
    Ok(place.get_or_init(|| new))
}
