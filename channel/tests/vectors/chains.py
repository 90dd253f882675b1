"""Golden vectors of hash chains and of what their ticks are worth: hashlib, hmac, eth-abi and exact fractions."""

import hashlib
import hmac
import math
from fractions import Fraction

from _foreign import U32_MAX, U64_MAX, draw, number, show, typed
from eth_abi import encode

DOMAIN = {"chain_id": 1, "contract": b"\x09" * 20}
LENGTHS = [1, 2, 127, 128, 129, 300, 4095, 4096]
INDICES = [1, 2, 16, 17, 127, 128, 129, 256, 257, 300, 4095, 4096]


def separator():
    empty = {"escrowId": bytes(32), "root": bytes(32)}
    return typed(DOMAIN["chain_id"], DOMAIN["contract"], "MandateRoot", empty).header


def seed(secret, purpose):
    kinds = ["bytes32", "uint128", "uint64", "uint32", "uint32", "uint16", "bytes32"]
    words = encode(kinds, list(purpose.values()))
    return hmac.new(secret, separator() + words, hashlib.sha256).digest()


def links(lane, last, length):
    """Every link by its index; 0 is the root."""
    chain = {length: last}
    for index in range(length, 0, -1):
        chain[index - 1] = hashlib.sha256(chain[index] + lane[:16] + index.to_bytes(2, "big")).digest()
    return chain


def chain(length):
    label = f"chain {length}"
    secret = draw(label + "secret")
    purpose = {
        "lane": draw(label + "lane"),
        "base_amount": number(label + "amount", 64),
        "base_ticks": number(label + "ticks", 64),
        "tick_amount": 1 + number(label + "tick", 32) % U32_MAX,
        "ticks_per_amount": 1 + number(label + "per", 32) % U32_MAX,
        "length": length,
        "tariff": bytes(32) if length % 2 else draw(label + "tariff"),
    }
    last = seed(secret, purpose)
    chain = links(purpose["lane"], last, length)
    shown = [[index, chain[index]] for index in INDICES if index <= length]
    return {"secret": secret, **purpose, "seed": last, "root": chain[0], "links": shown}


def worth(base_amount, base_ticks, tick_amount, ticks_per_amount, index):
    """The lane's total at an index: whole base units and the exact fraction, or why there is none."""
    terms = {
        "base_amount": base_amount,
        "base_ticks": base_ticks,
        "tick_amount": tick_amount,
        "ticks_per_amount": ticks_per_amount,
        "index": index,
    }
    if ticks_per_amount == 0:
        return {**terms, "error": "BadAnchorTerms"}
    total = base_amount + Fraction((base_ticks + index) * tick_amount, ticks_per_amount)
    amount = math.floor(total)
    if amount > U64_MAX:
        return {**terms, "error": "Overflow"}
    fraction = total - amount
    return {**terms, "amount": amount, "numerator": fraction.numerator, "denominator": fraction.denominator}


def all_worth():
    yield worth(0, 0, 1, 1, 0)
    yield worth(0, 0, 1, 1, 4096)
    yield worth(100, 0, 3, 2, 1)
    yield worth(100, 1, 3, 2, 1)
    yield worth(5, 7, 1, 3, 2)
    yield worth(0, 0, 1, U32_MAX, 1)
    yield worth(0, U64_MAX, U32_MAX, U32_MAX, 0)
    yield worth(0, U64_MAX, U32_MAX, U32_MAX, 1)
    yield worth(0, U64_MAX, U32_MAX, 1, 4096)
    yield worth(U64_MAX, 0, 1, 2, 1)
    yield worth(U64_MAX, 0, 1, 2, 2)
    yield worth(U64_MAX - 4096, 0, 1, 1, 4096)
    yield worth(U64_MAX - 4095, 0, 1, 1, 4096)
    yield worth(U64_MAX, U64_MAX, U32_MAX, U32_MAX, 4096)
    yield worth(1, 1, 1, 0, 1)
    for turn in range(24):
        label = f"worth {turn}"
        yield worth(
            number(label + "a", 64),
            number(label + "b", 64),
            1 + number(label + "c", 31),
            1 + number(label + "d", 31),
            number(label + "e", 12),
        )


if __name__ == "__main__":
    show({"domain": [DOMAIN], "chains": [chain(length) for length in LENGTHS], "worth": list(all_worth())})
