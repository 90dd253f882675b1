"""Golden vectors of everything that is signed: EIP-712 digests and signatures by eth-account (RFC 6979, low s), and
signatures that must be refused."""

from _foreign import (
    FIELD, ORDER, TYPES, U64_MAX, U128_MAX, address, compact, digest, draw, fields_of, number, show, sign, typed,
)
from eth_keys import keys

DOMAINS = [
    {"chain_id": 1, "contract": b"\x09" * 20},
    {"chain_id": 0x6661727468, "contract": draw("genesis", 20)},
    {"chain_id": U64_MAX, "contract": b"\xff" * 20},
    {"chain_id": 0, "contract": bytes(20)},
]
BITS = {"uint8": 1, "uint16": 16, "uint32": 32, "uint64": 64, "uint128": 128}


def value(of, label):
    if of in BITS:
        return number(label, BITS[of])
    return draw(label, 20 if of == "address" else 32)


def extreme(of, greatest):
    if of in BITS:
        return 2 ** BITS[of] - 1 if greatest else 0
    return (b"\xff" if greatest else b"\0") * (20 if of == "address" else 32)


def signed(name, kind, place, message, secret):
    at = DOMAINS[place]
    signable = typed(at["chain_id"], at["contract"], kind, message)
    rsv = sign(secret, signable)
    return {
        "name": name,
        "type": kind,
        "type_string": f"{kind}({TYPES[kind]})",
        "domain": place,
        "message": message,
        "struct_hash": signable.body,
        "digest": digest(signable),
        "secret": secret,
        "address": address(secret),
        "rsv": rsv,
        "compact": compact(rsv),
    }


def all_signed():
    for kind in TYPES:
        for greatest in (False, True):
            message = {name: extreme(of, greatest) for of, name in fields_of(kind)}
            yield signed("greatest" if greatest else "zero", kind, 2 * greatest, message, draw(f"key {kind}"))
        for turn in range(8):
            label = f"{kind} {turn}"
            message = {name: value(of, f"{label} {name}") for of, name in fields_of(kind)}
            yield signed(f"drawn {turn}", kind, turn % 2, message, draw(f"key {label}"))


def is_on_curve(x):
    return pow(x**3 + 7, (FIELD - 1) // 2, FIELD) == 1


def number32(value):
    return value.to_bytes(32, "big")


def refused():
    at = DOMAINS[0]
    message = {"channelId": b"\x03" * 32, "cumulativeAmount": 100}
    signable = typed(at["chain_id"], at["contract"], "Voucher", message)
    secret, hashed = b"\x07" * 32, digest(signable)
    rsv = sign(secret, signable)
    good, r, s, v = compact(rsv), rsv[:32], int.from_bytes(rsv[32:64], "big"), rsv[64]
    off_curve = next(x for x in range(1, 100) if not is_on_curve(x))
    # With s R = z G the recovered key is the point at infinity; R is 2 G or its negative, whichever makes s low.
    double = keys.PrivateKey(number32(2)).public_key.to_bytes()
    infinite_s = int.from_bytes(hashed, "big") * pow(2, -1, ORDER) % ORDER
    parity = double[63] & 1
    if infinite_s > ORDER // 2:
        infinite_s, parity = ORDER - infinite_s, 1 - parity
    forms = [
        ("the malleable twin: n - s, other parity", r + number32(ORDER - s) + bytes([55 - v]), "HighS"),
        ("least high s", r + number32(ORDER // 2 + 1), "HighS"),
        ("greatest s that fits beside the parity", r + number32(2**255 - 1), "HighS"),
        ("s of n, uncompressed", r + number32(ORDER) + bytes([v]), "HighS"),
        ("r of 0", bytes(32) + good[32:], "OutOfRange"),
        ("s of 0", r + bytes(32), "OutOfRange"),
        ("s of 0, odd", r + b"\x80" + bytes(31), "OutOfRange"),
        ("r of n", number32(ORDER) + good[32:], "OutOfRange"),
        ("greatest r", b"\xff" * 32 + good[32:], "OutOfRange"),
        ("all zero", bytes(64), "OutOfRange"),
        ("recovery id of 29", rsv[:64] + b"\x1d", "BadLength"),
        ("63 bytes", good[:63], "BadLength"),
        ("66 bytes", rsv + b"\0", "BadLength"),
        ("no bytes", b"", "BadLength"),
        ("r that is no x of the curve", number32(off_curve) + good[32:], "NotOnCurve"),
        ("recovers to the point at infinity", double[:32] + number32(infinite_s | parity << 255), "NotOnCurve"),
        ("the other parity", good[:32] + bytes([good[32] ^ 0x80]) + good[33:], "WrongSigner"),
        ("another key", compact(sign(b"\x08" * 32, signable)), "WrongSigner"),
        (
            "another domain",
            compact(sign(secret, typed(2, at["contract"], "Voucher", message))),
            "WrongSigner",
        ),
        (
            "another amount",
            compact(sign(secret, typed(1, at["contract"], "Voucher", {**message, "cumulativeAmount": 101}))),
            "WrongSigner",
        ),
    ]
    common = {"digest": hashed, "address": address(secret)}
    return [{"name": name, "signature": signature, "error": error, **common} for name, signature, error in forms]


if __name__ == "__main__":
    for at in DOMAINS:
        empty = typed(at["chain_id"], at["contract"], "MandateRoot", {"escrowId": bytes(32), "root": bytes(32)})
        at["separator"] = empty.header
    assert U128_MAX == extreme("uint128", True)
    show({"domains": DOMAINS, "signed": list(all_signed()), "refused": refused()})
