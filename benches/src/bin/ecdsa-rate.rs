//! `ecdsa-rate verify|recover SECONDS`: signatures per second that libsecp256k1 checks on this core, alone.
//!
//! The bound of every hub that looks at each voucher. Keys and signatures are parsed before the clock starts. No device
//! signs the same twice, so there are enough of them that neither branch predictor nor cache knows one by heart: over a few
//! hundred, what libsecp256k1 looks up in its 1 MiB of tables stays near the core, and it seems 4% faster than it is.

use std::hint::black_box;
use std::process::ExitCode;
use std::time::Duration;

use farthing_benches::clock::Stopwatch;
use secp256k1::ecdsa::{self, RecoverableSignature, Signature};
use secp256k1::{Message, PublicKey, SecretKey};

/// Different keys, messages and signatures.
const CASES: u16 = 16_384;

struct Case {
    message: Message,
    key: PublicKey,
    signature: Signature,
    recoverable: RecoverableSignature,
}

fn case(number: u16) -> Option<Case> {
    let mut secret = [0x5a; 32];
    secret[30..].copy_from_slice(&number.to_be_bytes());
    let secret = SecretKey::from_secret_bytes(secret).ok()?;
    let mut digest = [0xa5; 32];
    digest[..2].copy_from_slice(&number.to_be_bytes());
    let message = Message::from_digest(digest);
    Some(Case {
        message,
        key: PublicKey::from_secret_key(&secret),
        signature: ecdsa::sign(message, &secret),
        recoverable: RecoverableSignature::sign_ecdsa_recoverable(message, &secret),
    })
}

/// How often `check` finds a case good in `time`, per second.
fn rate(cases: &[Case], time: Duration, check: impl Fn(&Case) -> bool) -> Option<f64> {
    let watch = Stopwatch::start();
    let mut done = 0_u32;
    while watch.elapsed() < time {
        for case in cases {
            if !check(black_box(case)) {
                return None;
            }
        }
        done = done.checked_add(u32::from(CASES))?;
    }
    Some(f64::from(done) / watch.elapsed().as_secs_f64())
}

fn measured() -> Option<f64> {
    let mut args = std::env::args().skip(1);
    let (kind, seconds) = (args.next()?, args.next()?.parse().ok()?);
    let cases: Vec<Case> = (0..CASES).map(case).collect::<Option<_>>()?;
    let time = Duration::from_secs(seconds);
    match kind.as_str() {
        "verify" => rate(&cases, time, |case| ecdsa::verify(&case.signature, case.message, &case.key).is_ok()),
        "recover" => rate(&cases, time, |case| {
            case.recoverable.recover_ecdsa(case.message).is_ok_and(|recovered| recovered == case.key)
        }),
        _ => None,
    }
}

fn main() -> ExitCode {
    if let Some(rate) = measured() {
        println!("{rate:.0}");
        return ExitCode::SUCCESS;
    }
    eprintln!("usage: ecdsa-rate verify|recover SECONDS");
    ExitCode::FAILURE
}
