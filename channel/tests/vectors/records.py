"""Golden vectors of every record of the journal, by cbor2 in canonical mode.

Byte strings are one byte repeated, as in wire.py; nothing here is signed.
"""

from _foreign import U64_MAX, diagnostic, encode, show
from wire import (
    ANCHOR, CHANNEL, DEVICE, DIRECT, ESCROW, HUB, INDEX, LANE, LINK, NO_TARIFF, PAYEE, REPORT, ROOT, TARIFF, TREE, VOUCHER,
)

TOKEN, SIGNER = b"\x15" * 20, b"\x16" * 20
ESCROW_IMAGE = {0: ESCROW, 1: DEVICE, 2: HUB, 3: TOKEN, 4: ROOT, 5: SIGNER, 6: U64_MAX, 7: 0, 8: 0}
LANE_IMAGE = {0: LANE, 1: ESCROW, 2: DEVICE, 3: PAYEE, 4: 100, 5: TARIFF, 6: 10, 7: 20}

RISK_CHANGE = {
    0: LANE,
    1: 1_700_000_000,
    2: 3,
    3: 1_699_999_990,
    4: 6,
    5: True,
    6: -300,
    7: "shipped-1",
    8: [0, 2048, 17],
    9: [8, 17],
    10: [1, 2**64 - 1, 0, 65536],
}

RECORDS = [
    ("term", [0, {0: 1, 1: 1_750_000_000, 2: False}]),
    ("term of a restored backup", [0, {0: U64_MAX, 1: 0, 2: True}]),
    ("escrow", [1, {0: ESCROW_IMAGE}]),
    ("escrow asked to close", [1, {0: {**ESCROW_IMAGE, 8: 1}}]),
    ("escrow over", [1, {0: {**ESCROW_IMAGE, 8: 2}}]),
    ("ledger cursor", [2, {0: 1000}]),
    ("revoked", [3, {0: ESCROW, 1: DEVICE, 2: 7, 3: 1_750_000_000}]),
    ("mandate", [4, {0: DIRECT}]),
    ("mandates of a tree", [4, {0: TREE}]),
    ("provider", [5, {0: PAYEE, 1: "Grüne Ströme ⚡", 2: True}]),
    ("tariff", [6, {0: PAYEE, 1: 100, 2: bytes.fromhex("a40000010302010381820001")}]),
    ("lane", [7, {0: LANE_IMAGE}]),
    ("lane without tariff", [7, {0: {**LANE_IMAGE, 5: NO_TARIFF, 6: 0, 7: 0}}]),
    ("anchor", [8, {0: LANE, 1: ANCHOR}]),
    ("voucher", [9, {0: LANE, 1: VOUCHER}]),
    ("tick", [10, {0: LANE, 1: 0x0505050505050505, 2: INDEX, 3: LINK}]),
    ("report", [11, {0: REPORT}]),
    ("status", [12, {0: CHANNEL, 1: 2}]),
    ("epoch closed", [13, {0: 5, 1: 123_456}]),
    ("risk", [14, {0: RISK_CHANGE}]),
    ("risk in shadow mode", [14, {0: {**RISK_CHANGE, 4: 0, 5: False, 6: 300}}]),
    ("risk override", [15, {0: {0: CHANNEL, 1: 1_700_000_000, 2: 0, 3: 1_700_003_600}}]),
]


def refused():
    cursor = encode([2, {0: 1000}])
    cases = [
        ("unknown code", encode([16, {0: 0}]), "Malformed"),
        ("unknown key", encode([2, {0: 1000, 1: 0}]), "NotCanonical"),
        ("long cursor", cursor.replace(b"\x19\x03\xe8", b"\x1a\0\0\x03\xe8"), "NotCanonical"),
        ("cut short behind a whole one", cursor + cursor[:-1], "Malformed"),
        ("unknown state of an escrow", encode([1, {0: {**ESCROW_IMAGE, 8: 3}}]), "Malformed"),
        ("name that is no UTF-8", encode([5, {0: PAYEE, 1: "x", 2: True}]).replace(b"\x61x", b"\x61\xff"), "Malformed"),
    ]
    return [{"name": name, "body": body, "error": error} for name, body, error in cases]


if __name__ == "__main__":
    shown = [
        {"name": name, "cbor": encode(record), "diagnostic": diagnostic(record)} for name, record in RECORDS
    ]
    body = {"body": b"".join(encode(record) for _, record in RECORDS), "records": len(RECORDS)}
    show({"records": shown, "bodies": [body], "refused": refused()})
