//! What callgrind wrote, by whose code it was.
//!
//! The format is described in valgrind's manual: `fn=` names a function, cost lines below it are its own, and after a
//! `calls=` line comes one cost line with everything the called function (`cfn=`) did. A name is written once with a
//! number and by its number afterwards. An area's cost is that of all calls into it from outside.

use std::collections::HashMap;

use crate::process::Failure;

/// Instructions of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Instructions {
    pub(super) total: u64,
    pub(super) quic: u64,
    pub(super) ecdsa: u64,
    pub(super) hashes: u64,
}

impl Instructions {
    /// What is in no other area.
    pub(super) fn ours(&self) -> u64 {
        self.total.saturating_sub(self.quic).saturating_sub(self.ecdsa).saturating_sub(self.hashes)
    }
}

/// Whose a function is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Area {
    Ours,
    Quic,
    Ecdsa,
    Hashes,
}

/// By the parts of its mangled name, which carries the paths of its module and of its type parameters.
fn area_of(name: &str) -> Area {
    let has = |part: &str| name.contains(part);
    if has("secp256k1") && !has("farthing") {
        Area::Ecdsa
    } else if (has("bitcoin_hashes") || has("keccak") || has("sha3")) && !has("farthing") {
        Area::Hashes
    } else if has("quinn_proto") && !has("farthing") {
        Area::Quic
    } else {
        Area::Ours
    }
}

/// Reads callgrind's output.
pub(super) fn read(text: &str) -> Result<Instructions, Failure> {
    let mut names: HashMap<&str, Area> = HashMap::new();
    let mut found = Instructions::default();
    let (mut caller, mut called) = (Area::Ours, Area::Ours);
    let mut is_call = false;
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("fn=") {
            caller = named(&mut names, name)?;
        } else if let Some(name) = line.strip_prefix("cfn=") {
            called = named(&mut names, name)?;
        } else if line.starts_with("calls=") {
            is_call = true;
        } else if let Some(cost) = cost(line) {
            if !is_call {
                found.total = found.total.saturating_add(cost);
            } else if caller == Area::Ours {
                // Calls from one foreign area into another are part of the first.
                match called {
                    Area::Ours => {}
                    Area::Quic => found.quic = found.quic.saturating_add(cost),
                    Area::Ecdsa => found.ecdsa = found.ecdsa.saturating_add(cost),
                    Area::Hashes => found.hashes = found.hashes.saturating_add(cost),
                }
            }
            is_call = false;
        }
    }
    if found.total == 0 {
        return Err(Failure::new("nothing was counted: the measured function was not found by its name"));
    }
    Ok(found)
}

/// The area of `(number) name` or `(number)`.
fn named<'a>(names: &mut HashMap<&'a str, Area>, text: &'a str) -> Result<Area, Failure> {
    let (number, name) = text.split_once(')').ok_or_else(|| Failure::new(format!("no number in {text:?}")))?;
    let name = name.trim();
    if !name.is_empty() {
        names.insert(number, area_of(name));
    }
    names.get(number).copied().ok_or_else(|| Failure::new(format!("an unknown number in {text:?}")))
}

/// The cost of a line that begins with a position.
fn cost(line: &str) -> Option<u64> {
    let mut words = line.split(' ');
    let position = words.next()?;
    let is_position = position.starts_with(|first: char| first.is_ascii_digit() || matches!(first, '+' | '-' | '*'));
    if is_position { words.next()?.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITTEN: &str = "\
events: Ir
fl=(1) ???
fn=(1) _ZN12farthing_hub9transport4turn17h0E
0 100
cfn=(2) _ZN11quinn_proto10connection10Connection6handle17h1E
calls=2 0
0 50
cfn=(3) _ZN15farthing_channel4lane4tick17h2E
calls=1 0
0 40

fn=(2)
0 30
cfn=(4) malloc
calls=1 0
0 20

fn=(3)
0 10
cfn=(5) _ZN14bitcoin_hashes6sha25613process_block17h3E
calls=1 0
0 30

fn=(4)
0 20

fn=(5)
0 30
";

    #[test]
    fn an_area_has_what_its_functions_call() {
        let found = read(WRITTEN).unwrap();
        assert_eq!(found, Instructions { total: 190, quic: 50, ecdsa: 0, hashes: 30 });
        assert_eq!(found.ours(), 110);
    }

    #[test]
    fn an_empty_count_is_an_error() {
        assert!(read("events: Ir\n").is_err());
        assert!(read("fn=(1)\n0 5\n").is_err());
    }
}
