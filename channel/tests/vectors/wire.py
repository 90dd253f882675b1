"""Golden vectors of every message on the wire, by cbor2 in canonical mode, and of encodings that must be refused.

Byte strings are one byte repeated, so that a reader sees at once which field is which; nothing here is signed.
"""

from _foreign import U32_MAX, U64_MAX, diagnostic, encode, show

HANDLE, INDEX = 7, 300
LANE, CHANNEL, ESCROW, TARIFF, ROOT, LINK, NONCE = (bytes([byte]) * 32 for byte in (1, 2, 3, 4, 5, 6, 7))
DEVICE, PAYEE, HUB, CONTRACT = (bytes([byte]) * 20 for byte in (0x11, 0x12, 0x13, 0x14))
SIGNATURE = b"\x21" * 64
NO_TARIFF = bytes(32)

VOUCHER = {0: 1_000_000, 1: SIGNATURE}
TERMS = {0: 1_000_000, 1: 42, 2: 3, 3: 1024, 4: 4096, 5: TARIFF, 6: ROOT}
ANCHOR = {0: TERMS, 1: SIGNATURE}
LONGEST_TERMS = {0: U64_MAX, 1: U64_MAX, 2: U32_MAX, 3: U32_MAX, 4: 4096, 5: TARIFF, 6: ROOT}
TICK_PROOF = {0: ANCHOR, 1: INDEX, 2: LINK}
GRANT = {0: 65536, 1: 60, 2: 0, 3: False, 4: []}
LAST_GRANT = {0: U64_MAX, 1: U32_MAX, 2: 250, 3: True, 4: [1, 2, 3, 4]}
RECEIPT = {0: LANE, 1: 1_000_000, 2: 65536, 3: TARIFF, 4: 1_750_000_000, 5: SIGNATURE}
REPORT = {0: LANE, 1: 9, 2: 65536, 3: 0, 4: SIGNATURE}
MANDATE = {0: DEVICE, 1: (10**30).to_bytes(16, "big"), 2: 1_900_000_000, 3: 1, 4: [PAYEE]}
DIRECT = {0: ESCROW, 1: [MANDATE], 2: [0, {0: SIGNATURE}]}
TREE = {0: ESCROW, 1: [{**MANDATE, 4: []}], 2: [1, {0: SIGNATURE, 1: 5, 2: [ROOT, TARIFF, LINK]}]}
VIEW = {
    0: HANDLE, 1: LANE, 2: PAYEE, 3: 100, 4: 1_000_000, 5: VOUCHER, 6: [TICK_PROOF], 7: TARIFF, 8: 10, 9: 20, 10: 65536,
    11: 0, 12: GRANT,
}
NEW_VIEW = {
    0: 0, 1: LANE, 2: PAYEE, 3: 0, 4: 0, 6: [], 7: NO_TARIFF, 8: 0, 9: 0, 10: 0, 11: 0, 12: LAST_GRANT,
}

# name, what it is decoded as, message
MESSAGES = [
    ("hello", "hello", [0, {0: NONCE, 1: HUB, 2: 0x6661727468, 3: CONTRACT, 4: 1_750_000_000}]),
    ("tick by handle", "payment", [1, {0: HANDLE, 1: INDEX, 2: LINK}]),
    ("tick by lane", "payment", [1, {0: LANE, 1: 1, 2: LINK}]),
    ("tick by the longest handle", "payment", [1, {0: U32_MAX, 1: 4096, 2: LINK}]),
    ("voucher by handle", "payment", [2, {0: HANDLE, 1: VOUCHER}]),
    ("voucher by lane", "payment", [2, {0: LANE, 1: {0: U64_MAX, 1: SIGNATURE}}]),
    ("anchor by handle", "payment", [3, {0: HANDLE, 1: ANCHOR}]),
    ("anchor at its longest", "payment", [3, {0: LANE, 1: {0: LONGEST_TERMS, 1: SIGNATURE}}]),
    ("acknowledged at its shortest", "answer", [16, {0: HANDLE, 1: 0}]),
    ("acknowledged with all", "answer", [16, {0: LANE, 1: 1_000_000, 2: 0x0505050505050505, 3: INDEX, 4: GRANT}]),
    ("acknowledged with an anchor", "answer", [16, {0: HANDLE, 1: 23, 2: U64_MAX, 3: 0}]),
    ("payment refused, lane unread", "answer", [17, {1: 1}]),
    ("payment refused", "answer", [17, {0: HANDLE, 1: 102, 2: 1_000_000}]),
    ("attach a device", "request", [32, {0: 0, 1: SIGNATURE, 2: ESCROW, 3: DIRECT, 4: [{0: PAYEE, 1: 100}]}]),
    ("attach with a tree's mandate", "request", [32, {0: 0, 1: SIGNATURE, 2: ESCROW, 3: TREE, 4: []}]),
    ("attach a provider", "request", [32, {0: 1, 1: SIGNATURE, 4: []}]),
    ("ask for a receipt", "request", [33, {0: HANDLE}]),
    ("ask for a lane", "request", [34, {0: LANE}]),
    ("ask for a tariff", "request", [35, {0: TARIFF}]),
    ("close", "request", [36, {0: CHANNEL}]),
    ("payment stream", "request", [37, {}]),
    ("subscribe to all", "request", [38, {0: []}]),
    ("subscribe to some", "request", [38, {0: [1, 100]}]),
    (
        "attached device",
        "response",
        [48, {0: {0: DEVICE, 1: CHANNEL, 2: 10**9, 3: 1_000_000, 4: 1_900_000_000, 5: 1, 6: [VIEW, NEW_VIEW]}}],
    ),
    ("attached provider", "response", [48, {0: {0: PAYEE, 6: []}}]),
    ("receipt", "response", [49, {0: RECEIPT}]),
    ("lane", "response", [50, {0: NEW_VIEW}]),
    ("tariff", "response", [51, {0: bytes.fromhex("a40000010302010381820001")}]),
    ("closed", "response", [52, {0: [{0: RECEIPT}]}]),
    ("ready", "response", [53, {}]),
    ("request refused", "response", [54, {0: 43}]),
    ("report", "service-message", [64, {0: REPORT}]),
    ("authorised", "notice", [72, {0: LANE, 1: DEVICE, 2: 100, 3: 1_000_000, 4: GRANT}]),
    ("reported", "notice", [73, {0: LANE, 1: 9, 2: LAST_GRANT}]),
    ("report refused", "notice", [74, {0: LANE, 1: 140}]),
]


def refused():
    voucher = encode([2, {0: HANDLE, 1: VOUCHER}])
    tick = encode([1, {0: HANDLE, 1: INDEX, 2: LINK}])
    link, signature = b"\x58\x20" + LINK, b"\x58\x40" + SIGNATURE
    amount = b"\x1a" + (1_000_000).to_bytes(4, "big")
    inner = b"\xa2\x00" + amount + b"\x01" + signature
    assert voucher == b"\x82\x02\xa2\x00\x07\x01" + inner
    assert tick == b"\x82\x01\xa3\x00\x07\x01\x19\x01\x2c\x02" + link
    ack = encode([16, {0: HANDLE, 1: 0}])
    not_canonical = [
        ("code in two bytes", "payment", b"\x82\x18\x02" + voucher[2:]),
        ("handle in two bytes", "payment", b"\x82\x02\xa2\x00\x18\x07\x01" + inner),
        ("handle in nine bytes", "payment", b"\x82\x02\xa2\x00\x1b" + bytes(7) + b"\x07\x01" + inner),
        ("amount in nine bytes", "payment", voucher.replace(amount, b"\x1b\0\0\0\0" + amount[1:])),
        ("index in five bytes", "payment", tick.replace(b"\x19\x01\x2c", b"\x1a\0\0\x01\x2c")),
        ("key in two bytes", "payment", b"\x82\x02\xa2\x18\x00\x07\x01" + inner),
        ("long length of a byte string", "payment", tick.replace(b"\x58\x20", b"\x59\x00\x20")),
        ("long length of the array", "payment", b"\x98\x02" + voucher[1:]),
        ("long length of the map", "payment", b"\x82\x02\xb8\x02" + voucher[3:]),
        ("unknown key behind", "payment", b"\x82\x02\xa3\x00\x07\x01" + inner + b"\x02\x00"),
        ("unknown key inside", "payment", b"\x82\x02\xa2\x00\x07\x01\xa3" + inner[1:] + b"\x02\x00"),
        ("unknown negative key", "payment", b"\x82\x02\xa3\x00\x07\x01" + inner + b"\x20\x00"),
        ("keys in another order", "payment", b"\x82\x02\xa2\x01" + inner + b"\x00\x07"),
        ("keys in another order inside", "payment", b"\x82\x02\xa2\x00\x07\x01\xa2\x01" + signature + b"\x00" + amount),
        ("one key twice", "payment", b"\x82\x02\xa3\x00\x07\x00\x07\x01" + inner),
        ("map without length", "payment", b"\x82\x02\xbf" + voucher[3:] + b"\xff"),
        ("map without length inside", "payment", b"\x82\x02\xa2\x00\x07\x01\xbf" + inner[1:] + b"\xff"),
        ("null for an absent value", "answer", b"\x82\x10\xa3\x00\x07\x01\x00\x02\xf6"),
        ("list without length", "request", b"\x82\x18\x26\xa1\x00\x9f\xff"),
        ("entry in an empty message", "request", b"\x82\x18\x25\xa1\x00\x00"),
    ]
    malformed = [
        ("no bytes", "payment", b""),
        ("cut short", "payment", voucher[:-1]),
        ("cut after the code", "payment", voucher[:2]),
        ("only an array", "payment", b"\x82"),
        ("not an array", "payment", voucher[1:]),
        ("array without length", "payment", b"\x9f" + voucher[1:] + b"\xff"),
        ("undefined for an absent value", "answer", b"\x82\x10\xa3\x00\x07\x01\x00\x02\xf7"),
        ("array of one", "payment", b"\x81\x02"),
        ("unknown code", "payment", encode([4, {0: HANDLE}])),
        ("a code of another place", "payment", ack),
        ("negative code", "payment", b"\x82\x21" + voucher[2:]),
        ("missing key", "payment", b"\x82\x02\xa1\x01" + inner),
        ("missing key inside", "payment", encode([2, {0: HANDLE, 1: {0: 1_000_000}}])),
        ("null for a value", "payment", b"\x82\x02\xa2\x00\xf6\x01" + inner),
        ("index beyond 16 bits", "payment", encode([1, {0: HANDLE, 1: 65536, 2: LINK}])),
        ("negative index", "payment", encode([1, {0: HANDLE, 1: -1, 2: LINK}])),
        ("handle beyond 32 bits", "payment", encode([1, {0: 2**32, 1: 1, 2: LINK}])),
        ("amount as a float", "payment", encode([2, {0: HANDLE, 1: {0: 1.5, 1: SIGNATURE}}])),
        ("amount as a bignum", "payment", encode([2, {0: HANDLE, 1: {0: 2**64, 1: SIGNATURE}}])),
        ("amount as text", "payment", encode([2, {0: HANDLE, 1: {0: "1", 1: SIGNATURE}}])),
        ("link of 31 bytes", "payment", encode([1, {0: HANDLE, 1: 1, 2: LINK[:31]}])),
        ("link of 33 bytes", "payment", encode([1, {0: HANDLE, 1: 1, 2: LINK + b"\0"}])),
        ("link as text", "payment", encode([1, {0: HANDLE, 1: 1, 2: "x" * 32}])),
        ("link in chunks", "payment", tick.replace(link, b"\x5f\x50" + LINK[:16] + b"\x50" + LINK[16:] + b"\xff")),
        ("lane of 31 bytes", "payment", encode([1, {0: LANE[:31], 1: 1, 2: LINK}])),
        ("signature of 65 bytes", "payment", encode([2, {0: HANDLE, 1: {0: 1, 1: SIGNATURE + b"\x1b"}}])),
        ("tagged message", "payment", b"\xd9\xd9\xf7" + voucher),
        ("tagged amount", "payment", voucher.replace(amount, b"\xc1" + amount)),
        ("length beyond the message", "payment", tick.replace(b"\x58\x20", b"\x5b" + b"\xff" * 8)),
        ("map longer than the message", "payment", b"\x82\x02\xbb" + b"\xff" * 8 + voucher[3:]),
        ("unknown role", "request", encode([32, {0: 2, 1: SIGNATURE, 4: []}])),
        ("unknown refusal", "response", encode([54, {0: 999}])),
        ("number for a boolean", "notice", encode([73, {0: LANE, 1: 9, 2: {**GRANT, 3: 0}}])),
        ("limit as a number", "request", encode([32, {0: 0, 1: SIGNATURE, 2: ESCROW, 3: {**DIRECT, 1: [{**MANDATE, 1: 5}]}, 4: []}])),
        ("list longer than the message", "request", b"\x82\x18\x26\xa1\x00\x9b" + b"\xff" * 8),
    ]
    trailing = [
        ("a byte behind", "request", encode([33, {0: HANDLE}]) + b"\0"),
        ("the message twice", "request", encode([33, {0: HANDLE}]) * 2),
    ]
    for error, cases in (("NotCanonical", not_canonical), ("Malformed", malformed), ("TrailingBytes", trailing)):
        for name, kind, message in cases:
            yield {"name": name, "as": kind, "cbor": message, "error": error}


if __name__ == "__main__":
    assert len({name for name, _, _ in MESSAGES}) == len(MESSAGES)
    shown = [
        {"name": name, "as": kind, "cbor": encode(message), "diagnostic": diagnostic(message)}
        for name, kind, message in MESSAGES
    ]
    show({"messages": shown, "refused": list(refused())})
