#!/usr/bin/env python3
"""Builds the golden journal block and segment header from zlib and hashlib alone.

Run it and compare with the constants in src/record/block/tests.rs and src/record/segment/tests.rs.
"""
import hashlib
import struct
import zlib

hub, thread, term, sequence, unix_ms = b"\x11" * 20, 3, 7, 1, 1_700_000_000_123
body, records = bytes.fromhex("820102820304"), 2

genesis = hashlib.sha256(b"farthing/journal/1" + hub + struct.pack(">H", thread)).digest()

head = struct.pack(">4sBBHQQQII", b"FBLK", 1, 0, thread, term, sequence, unix_ms, records, len(body)) + genesis
head += struct.pack(">I", zlib.crc32(head + body))
segment = struct.pack(">4sBBH20sQ", b"FSEG", 1, 0, thread, hub, sequence) + genesis
segment += struct.pack(">I", zlib.crc32(segment))

print("genesis", genesis.hex())
print("block  ", (head + body + b"KBLF").hex())
print("hash   ", hashlib.sha256(head + body).hexdigest())
print("segment", segment.hex())
