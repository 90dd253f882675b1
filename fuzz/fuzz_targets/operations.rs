//! Any sequence of payments, flawed ones among them, against the lane rules and an independent model.
//!
//! Whatever happens, a total never shrinks, a refused or flawed payment changes nothing, an honest one that fits the
//! limits is never refused, sums add up, limits hold, and a restart loses nothing.

#![no_main]

use farthing_fuzz::operation::Operation;
use farthing_fuzz::world::World;
use libfuzzer_sys::fuzz_target;

/// Longer sequences find nothing that these do not, and take longer to read.
const OPERATIONS_MAX: usize = 64;

fuzz_target!(|operations: Vec<Operation>| {
    let mut world = World::default();
    for operation in operations.iter().take(OPERATIONS_MAX) {
        world.happen(operation);
    }
    world.end();
});
