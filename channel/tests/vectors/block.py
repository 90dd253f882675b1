#!/usr/bin/env python3
"""Golden journal block and segment header, built from zlib and hashlib alone. Prints block.json."""
import hashlib
import json
import struct
import zlib

hub, thread, term, sequence, unix_ms = b"\x11" * 20, 3, 7, 1, 1_700_000_000_123
body, records = bytes.fromhex("820102820304"), 2

genesis = hashlib.sha256(b"farthing/journal/1" + hub + struct.pack(">H", thread)).digest()

head = struct.pack(">4sBBHQQQII", b"FBLK", 1, 0, thread, term, sequence, unix_ms, records, len(body)) + genesis
head += struct.pack(">I", zlib.crc32(head + body))
segment = struct.pack(">4sBBH20sQ", b"FSEG", 1, 0, thread, hub, sequence) + genesis
segment += struct.pack(">I", zlib.crc32(segment))

vectors = {
    "genesis": genesis,
    "block": head + body + b"KBLF",
    "hash": hashlib.sha256(head + body).digest(),
    "segment": segment,
}
print(json.dumps({name: value.hex() for name, value in vectors.items()}, indent=1))
