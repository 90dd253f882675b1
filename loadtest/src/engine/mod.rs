//! Load from one thread: a hundred thousand connections, payments of many shapes, and what each costs the hub.
//!
//! | module | does |
//! | --- | --- |
//! | [`args`] | the command line |
//! | [`shape`] | profiles, in numbers |
//! | [`ground`] | the hub that is loaded, and its devices' keys and mandates |
//! | [`stock`] | chains and signatures made before the clock runs |
//! | [`lane`] | one lane: promises, proofs, acknowledgements |
//! | [`member`] | one connection, and the packets under way on it |
//! | [`driver`] | the loop; [`gather`] has its connecting and attaching, [`paying`] its payments, [`echoing`] what stands for them at an echo |
//! | [`schedule`] | due times of an open loop |
//! | [`measure`] | latencies and counters; [`process`] reads those of the system |
//! | [`mod@run`] | a run from beginning to end; [`storm`] has the profiles in which devices come and go |
//! | [`crowd`] | the devices of a storm that come and go, on a thread of their own |
//! | [`side`] | one server with its connections, hub or what stands beside it |
//! | [`result`] | what it came to; [`page`] shows it with plots |
//!
//! A payment is counted when an acknowledgement covers it, and an acknowledgement means that it is durable. In an open loop
//! latency counts from when the payment was due, not from when there was time to send it.

pub mod args;
mod crowd;
pub mod driver;
mod echoing;
mod gather;
pub mod ground;
pub mod lane;
pub mod measure;
pub mod member;
pub mod page;
mod paying;
pub mod process;
pub mod result;
pub mod run;
pub mod schedule;
pub mod shape;
pub mod side;
pub mod stock;
mod storm;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use anyhow::Context as _;

pub use args::BenchArgs;
pub use result::BenchResult;

use crate::report;

/// Runs the load, writes the results and says them.
///
/// # Errors
/// Where the site, the devices or the system fail.
pub async fn run(args: &BenchArgs) -> anyhow::Result<BenchResult> {
    let stop = Arc::new(AtomicBool::new(false));
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let (owned, wanted) = (args.clone(), Arc::clone(&stop));
    // A thread of its own, named so that its cost can be told from that of others.
    let thread = std::thread::Builder::new().name("generator".to_owned()).spawn(move || {
        let outcome = run::Run::prepare(&owned, wanted).and_then(run::Run::execute);
        // Nobody listens any more where the command was ended early.
        let _ = sender.send(outcome);
    })?;
    let guard = Generator { stop, thread: Some(thread) };
    let (result, intervals) = receiver.await.context("the generator ended early")??;
    drop(guard);
    if let Some(path) = &args.histogram {
        report::write_interval_log(path, &intervals).with_context(|| format!("cannot write {}", path.display()))?;
    }
    if let Some(path) = &args.json {
        report::write_json(path, &result)?;
    }
    if let Some(path) = &args.html {
        std::fs::write(path, page::render(&result)).with_context(|| format!("cannot write {}", path.display()))?;
    }
    result.say();
    Ok(result)
}

/// The generator's thread. Dropping this ends it, and with it the hub that it started.
struct Generator {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Generator {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic there shows as an outcome that never came.
            let _ = thread.join();
        }
    }
}
