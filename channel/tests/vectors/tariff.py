"""Golden vectors of tariffs: encodings, hashes, charges and affordable units.

An independent second implementation: cbor2 in canonical mode for the encoding, hashlib for the hash and
fractions.Fraction for the money. Prints tariff.json.

    python3 -m venv venv && venv/bin/pip install cbor2 && venv/bin/python tariff.py > tariff.json
"""

import hashlib
import json
from fractions import Fraction

import cbor2

U64_MAX = 2**64 - 1
OCTETS, SECONDS, EVENTS = 1, 2, 3
WORKDAYS, WEEKEND, EVERY_DAY = 0b0011111, 0b1100000, 0b1111111


def encode(tariff):
    entries = {0: tariff["version"], 1: tariff["unit"], 2: tariff["increment"], 3: tariff["tiers"]}
    if tariff["windows"]:
        entries[4] = [[sorted(spans), tiers] for spans, tiers in tariff["windows"]]
    return cbor2.dumps(entries, canonical=True)


def price_lists(tariff):
    return [tariff["tiers"]] + [tiers for _, tiers in tariff["windows"]]


def charge(tariff, units_by_segment):
    """Base units, rounded up once; None when the charge exceeds 64 bits."""
    total = Fraction(0)
    for tiers, units in zip(price_lists(tariff), units_by_segment, strict=True):
        increment = tariff["increment"]
        units = -(-units // increment) * increment
        start = 0
        for up_to, amount, per_units in tiers[:-1]:
            end = min(units, up_to)
            total += Fraction((end - start) * amount, per_units)
            start = end
        amount, per_units = tiers[-1]
        total += Fraction((units - start) * amount, per_units)
    rounded = -(-total.numerator // total.denominator)
    return rounded if rounded <= U64_MAX else None


def units_for(tariff, amount):
    """Greatest affordable cumulative units, by bisection over the charge."""
    affordable, too_many = 0, U64_MAX + 1
    while too_many - affordable > 1:
        middle = (affordable + too_many) // 2
        cost = charge(tariff, [middle])
        if cost is not None and cost <= amount:
            affordable = middle
        else:
            too_many = middle
    return affordable


def tariff(version, unit, increment, tiers, windows=()):
    return {"version": version, "unit": unit, "increment": increment, "tiers": tiers, "windows": list(windows)}


TARIFFS = {
    "free": tariff(0, EVENTS, 1, [[0, 1]]),
    "flat event": tariff(1, EVENTS, 1, [[250, 1]]),
    "per mebibyte": tariff(7, OCTETS, 1024, [[100, 1 << 20]]),
    "per started minute": tariff(2, SECONDS, 60, [[17, 3600]]),
    "thirds and sevenths": tariff(3, EVENTS, 1, [[10, 1, 3], [1000, 2, 7], [1, 11]]),
    "volume tiers": tariff(4, OCTETS, 1, [[10**6, 0, 1], [10**9, 5, 10**6], [10**12, 3, 10**6], [1, 10**6]]),
    "widest numbers": tariff(2**32 - 1, OCTETS, U64_MAX, [[U64_MAX, U64_MAX, U64_MAX], [U64_MAX, U64_MAX]]),
    "peak and night": tariff(
        5,
        SECONDS,
        60,
        [[3600, 10, 3600], [8, 3600]],
        [
            ([[WORKDAYS, 360, 540], [WORKDAYS, 1020, 1200]], [[25, 3600]]),
            ([[EVERY_DAY, 1320, 1440], [EVERY_DAY, 0, 300]], [[7200, 3, 3600], [2, 3600]]),
        ],
    ),
    "largest": tariff(
        2**32 - 1,
        OCTETS,
        U64_MAX,
        [[U64_MAX - 7 + i, U64_MAX - i, U64_MAX] for i in range(7)] + [[U64_MAX, U64_MAX]],
        [
            (
                [[EVERY_DAY, 300 + 280 * w + 30 * s, 301 + 280 * w + 30 * s] for s in range(8)],
                [[U64_MAX - 7 + i, U64_MAX - i, U64_MAX] for i in range(7)] + [[U64_MAX, U64_MAX]],
            )
            for w in range(4)
        ],
    ),
}

UNITS = [0, 1, 2, 3, 10, 11, 59, 60, 61, 999, 1000, 1001, 1 << 20, 10**6 + 1, 10**9, 10**12 + 7, 10**15, 2**63, U64_MAX]
AMOUNTS = [0, 1, 2, 3, 99, 100, 4999, 5000, 10**6, 2**40 + 1, 10**18, U64_MAX - 1, U64_MAX]
SEGMENTS = [[0, 0, 0], [1, 1, 1], [61, 0, 7201], [3600, 3601, 3599], [10**9, 10**10, 10**11], [U64_MAX, 0, 1]]


def vector(name, terms):
    encoding = encode(terms)
    assert len(encoding) <= 2048
    result = {
        "name": name,
        "encoding": encoding.hex(),
        "hash": hashlib.sha256(b"farthing/tariff/1" + encoding).hexdigest(),
    }
    # Numbers beyond 2^53 are kept as text, as many readers of JSON lose their last digits.
    if not terms["windows"]:
        result["charges"] = [[str(u), as_text(charge(terms, [u]))] for u in UNITS]
        result["units_for"] = [[str(a), str(units_for(terms, a))] for a in AMOUNTS]
    elif len(terms["windows"]) == 2:
        result["charges_by_segment"] = [[[str(u) for u in s], as_text(charge(terms, s))] for s in SEGMENTS]
    return result


def as_text(number):
    return None if number is None else str(number)


if __name__ == "__main__":
    vectors = [vector(name, terms) for name, terms in TARIFFS.items()]
    lines = ",\n".join(json.dumps(v) for v in vectors)
    print(f"[\n{lines}\n]")
