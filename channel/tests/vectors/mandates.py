"""Golden vectors of mandates: a tree built leaf by leaf, eth-account's signatures, cbor2's encoding of bundles."""

from _foreign import U64_MAX, U128_MAX, address, compact, draw, encode, number, show, sign, typed
from eth_abi import encode as abi
from eth_utils import keccak

DOMAIN = {"chain_id": 1, "contract": b"\x09" * 20}
SIGNER = draw("payer")
WIDTH = 256


def mandate(label):
    kind = number(label, 2)
    return {
        "device": draw(label + "device", 20),
        "limit": [1, U128_MAX, number(label + "limit", 128), 10**12][kind],
        "expiry": [U64_MAX, 1_900_000_000][kind % 2],
        "serial": number(label + "serial", 64),
        "payees": sorted(draw(f"{label}payee {place}", 20) for place in range(kind)),
    }


def payees_hash(payees):
    return keccak(b"".join(abi(["address"], [payee]) for payee in payees)) if payees else bytes(32)


def signable(escrow, terms):
    message = {"escrowId": escrow, **terms, "payees": payees_hash(terms["payees"])}
    return typed(DOMAIN["chain_id"], DOMAIN["contract"], "Mandate", message)


def tree(leaves):
    """The levels from the leaves, padded to a power of two, to the root."""
    leaves = list(leaves)
    while len(leaves) & (len(leaves) - 1):
        leaves.append(keccak(b"\x02"))
    levels = [leaves]
    while len(levels[-1]) > 1:
        below = levels[-1]
        levels.append([keccak(b"\x01" + below[place] + below[place + 1]) for place in range(0, len(below), 2)])
    return levels


def terms_on_wire(terms):
    return {
        0: terms["device"],
        1: terms["limit"].to_bytes(16, "big"),
        2: terms["expiry"],
        3: terms["serial"],
        4: terms["payees"],
    }


def direct(turn):
    escrow, terms = draw(f"escrow {turn}"), mandate(f"direct {turn}")
    signature = compact(sign(SIGNER, signable(escrow, terms)))
    bundle = encode({0: escrow, 1: [terms_on_wire(terms)], 2: [0, {0: signature}]})
    return {"escrow": escrow, "mandates": [terms], "bundles": [bundle]}


def bundle(escrow, mandates, levels, signature, first, count):
    """The subtree of `count` mandates from `first` on, with the hashes beside its way to the root."""
    height = (count - 1).bit_length()
    place = first >> height
    siblings = []
    for level in levels[height:-1]:
        siblings.append(level[place ^ 1])
        place >>= 1
    shown = [terms_on_wire(terms) for terms in mandates[first : first + count]]
    return encode({0: escrow, 1: shown, 2: [1, {0: signature, 1: first, 2: siblings}]})


def signed_tree(count):
    escrow = draw(f"tree escrow {count}")
    mandates = [mandate(f"tree {count} {place}") for place in range(count)]
    levels = tree(keccak(b"\0" + signable(escrow, terms).body) for terms in mandates)
    root = levels[-1][0]
    signed = typed(DOMAIN["chain_id"], DOMAIN["contract"], "MandateRoot", {"escrowId": escrow, "root": root})
    signature = compact(sign(SIGNER, signed))

    def cut(first, width):
        return bundle(escrow, mandates, levels, signature, first, width)

    singles = sorted({0, 1, count // 2, count - 1} & set(range(count)))
    return {
        "escrow": escrow,
        "mandates": mandates,
        "root": root,
        "signature": signature,
        "bundles": [cut(first, min(WIDTH, count - first)) for first in range(0, count, WIDTH)],
        "singles": [[place, cut(place, 1)] for place in singles],
    }


if __name__ == "__main__":
    show({
        "domain": [{**DOMAIN, "signer": address(SIGNER), "secret": SIGNER}],
        "direct": [direct(turn) for turn in range(4)],
        "trees": [signed_tree(count) for count in (1, 2, 3, 5, 8, 260)],
    })
