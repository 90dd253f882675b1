//! The rules of Farthing on a machine that offers nothing: no std, no libc, no loader.
//!
//! A microcontroller is the real place for this; here the kernel stands in for it, so that the code is not only
//! compiled without std but linked and run. The program exits with 0 when every check holds, 1 when one does not,
//! and 2 when it panics.

#![no_std]
#![no_main]

extern crate alloc;

mod bare;
mod checks;

/// Called by the start code of [`bare`], with the stack as the platform's rules want it.
#[unsafe(no_mangle)]
extern "C" fn farthing_main() -> ! {
    match checks::run() {
        Ok(()) => {
            bare::write(b"farthing-channel: all checks hold without std\n");
            bare::exit(0)
        }
        Err(check) => {
            bare::write(b"farthing-channel: this check does not hold: ");
            bare::write(check.as_bytes());
            bare::write(b"\n");
            bare::exit(1)
        }
    }
}
