//! What a hosted program gets from libc and std: a start, an end, memory, and a place for panics.
//!
//! The only unsafe code of this program, each piece with its reason. Linux on x86_64 and aarch64.

use core::alloc::{GlobalAlloc, Layout};
use core::arch::{asm, global_asm};
use core::cell::UnsafeCell;
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicUsize, Ordering};

/// All the memory the program ever has. Nothing is given back: the program allocates a few messages and ends.
const HEAP_BYTES: usize = 256 * 1024;

#[repr(align(64))]
struct Heap(UnsafeCell<[u8; HEAP_BYTES]>);

// SAFETY: bytes are reached only through `allocate`, which hands out each of them once.
unsafe impl Sync for Heap {}

static HEAP: Heap = Heap(UnsafeCell::new([0; HEAP_BYTES]));
static USED_BYTES: AtomicUsize = AtomicUsize::new(0);

struct Bump;

#[global_allocator]
static ALLOCATOR: Bump = Bump;

// SAFETY: every block is inside `HEAP`, aligned as asked, and never handed out twice, since the counter only grows.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let heap = HEAP.0.get().cast::<u8>();
        let reserve = |used: usize| {
            let padding = (heap as usize).wrapping_add(used).wrapping_neg() & (layout.align() - 1);
            let start = used.checked_add(padding)?;
            start.checked_add(layout.size()).filter(|end| *end <= HEAP_BYTES)
        };
        match USED_BYTES.fetch_update(Ordering::Relaxed, Ordering::Relaxed, reserve) {
            Ok(used) => {
                let end = reserve(used).unwrap_or(HEAP_BYTES);
                // SAFETY: `reserve` has checked that the block ends inside the heap.
                unsafe { heap.add(end - layout.size()) }
            }
            Err(_) => core::ptr::null_mut(),
        }
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    write(b"farthing-channel: panicked without std\n");
    exit(2)
}

#[cfg(target_arch = "x86_64")]
global_asm!(
    ".globl _start",
    "_start:",
    "xor ebp, ebp",
    "and rsp, -16",
    "call {main}",
    "ud2",
    main = sym crate::farthing_main,
);

#[cfg(target_arch = "aarch64")]
global_asm!(
    ".globl _start",
    "_start:",
    "mov x29, xzr",
    "bl {main}",
    "brk #1",
    main = sym crate::farthing_main,
);

#[cfg(target_arch = "x86_64")]
mod number {
    pub(super) const WRITE: usize = 1;
    pub(super) const EXIT: usize = 60;
}

#[cfg(target_arch = "aarch64")]
mod number {
    pub(super) const WRITE: usize = 64;
    pub(super) const EXIT: usize = 93;
}

/// Asks the kernel.
///
/// # Safety
///
/// What the arguments point at must be valid for what the numbered call does with it.
unsafe fn system_call(number: usize, first: usize, second: usize, third: usize) -> usize {
    let result;
    // SAFETY: the registers are those of Linux' calling convention; the caller answers for the arguments.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number => result,
            in("rdi") first, in("rsi") second, in("rdx") third,
            lateout("rcx") _, lateout("r11") _,
            options(nostack),
        );
    }
    // SAFETY: as above.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        asm!(
            "svc 0",
            inlateout("x0") first => result,
            in("x1") second, in("x2") third, in("x8") number,
            options(nostack),
        );
    }
    result
}

/// Writes to standard output; a short or failed write is of no interest to a program about to end.
pub(crate) fn write(text: &[u8]) {
    // SAFETY: the kernel reads `text.len()` bytes at `text`, and no more.
    unsafe { system_call(number::WRITE, 1, text.as_ptr() as usize, text.len()) };
}

/// Ends the program.
pub(crate) fn exit(code: u8) -> ! {
    // SAFETY: the call takes a number and does not come back.
    unsafe { system_call(number::EXIT, usize::from(code), 0, 0) };
    loop {
        core::hint::spin_loop();
    }
}

/// The block operations the compiler calls by name, which libc would hold.
///
/// Each byte is moved by a volatile access: a plain loop would be recognised and become a call to itself.
mod memory {
    #[unsafe(no_mangle)]
    unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, bytes: usize) -> *mut u8 {
        for offset in 0..bytes {
            // SAFETY: the caller promises `bytes` readable and writable bytes that do not overlap.
            unsafe { to.add(offset).write_volatile(from.add(offset).read_volatile()) };
        }
        to
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, bytes: usize) -> *mut u8 {
        if (to as usize) <= (from as usize) {
            // SAFETY: as for the caller of this; going upwards never overwrites a byte that is still to be read.
            return unsafe { memcpy(to, from, bytes) };
        }
        for offset in (0..bytes).rev() {
            // SAFETY: as above, going downwards.
            unsafe { to.add(offset).write_volatile(from.add(offset).read_volatile()) };
        }
        to
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn memset(to: *mut u8, value: i32, bytes: usize) -> *mut u8 {
        let [byte, ..] = value.to_le_bytes();
        for offset in 0..bytes {
            // SAFETY: the caller promises `bytes` writable bytes.
            unsafe { to.add(offset).write_volatile(byte) };
        }
        to
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn memcmp(left: *const u8, right: *const u8, bytes: usize) -> i32 {
        for offset in 0..bytes {
            // SAFETY: the caller promises `bytes` readable bytes on both sides.
            let (left, right) = unsafe { (left.add(offset).read_volatile(), right.add(offset).read_volatile()) };
            if left != right {
                return i32::from(left) - i32::from(right);
            }
        }
        0
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn bcmp(left: *const u8, right: *const u8, bytes: usize) -> i32 {
        // SAFETY: as for the caller of this.
        unsafe { memcmp(left, right, bytes) }
    }
}
