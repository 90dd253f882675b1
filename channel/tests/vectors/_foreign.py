"""What the vector scripts share: keys, typed data and CBOR, all by libraries that know nothing of Farthing."""

import hashlib
import json

import cbor2
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_utils import keccak

U32_MAX, U64_MAX, U128_MAX = 2**32 - 1, 2**64 - 1, 2**128 - 1

# SEC 2: order of the group of secp256k1, and the prime of its field.
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
FIELD = 2**256 - 2**32 - 977

TYPES = {
    "Voucher": "bytes32 channelId,uint128 cumulativeAmount",
    "Anchor": "bytes32 channelId,uint128 baseAmount,uint64 baseTicks,uint32 tickAmount,uint32 ticksPerAmount,"
    "uint16 length,bytes32 tariff,bytes32 root",
    "Mandate": "bytes32 escrowId,address device,uint128 limit,uint64 expiry,uint64 serial,bytes32 payees",
    "MandateRoot": "bytes32 escrowId,bytes32 root",
    "Receipt": "bytes32 channelId,uint128 authorised,uint128 used,bytes32 tariff,uint64 time",
    "Attach": "bytes32 binding,address hub,uint8 role",
    "Report": "bytes32 channelId,uint64 revision,uint128 usedUnits,uint128 creditedAmount",
}


def fields_of(kind):
    """The fields of a type as (type, name)."""
    return [tuple(field.split(" ")) for field in TYPES[kind].split(",")]


def domain(chain_id, contract):
    return {"name": "EVM Payment Channel", "version": "1", "chainId": chain_id, "verifyingContract": contract}


def typed(chain_id, contract, kind, message):
    """The typed data as eth-account prepares it for signing: header is the domain separator, body the struct hash."""
    types = {kind: [{"name": name, "type": of} for of, name in fields_of(kind)]}
    return encode_typed_data(domain(chain_id, contract), types, message)


def digest(signable):
    return keccak(b"\x19" + signable.version + signable.header + signable.body)


def sign(secret, signable):
    """The signature as `r || s || v`, the way a wallet returns it."""
    return bytes(Account.from_key(secret).sign_message(signable).signature)


def compact(rsv):
    """EIP-2098: the parity of the point in the top bit of s."""
    s = int.from_bytes(rsv[32:64], "big")
    assert 0 < s <= ORDER // 2
    return rsv[:32] + (s | (rsv[64] - 27) << 255).to_bytes(32, "big")


def address(secret):
    return bytes.fromhex(Account.from_key(secret).address[2:])


def draw(label, size=32):
    """Bytes that look random and are the same on every run."""
    return hashlib.shake_256(b"farthing vectors/" + label.encode()).digest(size)


def number(label, bits):
    """A number of up to `bits` bits; its magnitude varies with the label."""
    drawn = int.from_bytes(draw(label, 18), "big")
    return (drawn >> 8) % 2 ** (1 + (drawn & 0xFF) % bits)


def encode(value):
    """Deterministic CBOR (RFC 8949, section 4.2.1)."""
    return cbor2.dumps(value, canonical=True)


def diagnostic(value):
    """CBOR diagnostic notation (RFC 8949, section 8), for people who compare by eye."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, bytes):
        return f"h'{value.hex()}'"
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, list):
        return "[" + ", ".join(map(diagnostic, value)) + "]"
    return "{" + ", ".join(f"{key}: {diagnostic(item)}" for key, item in value.items()) + "}"


def as_text(value):
    """Bytes as hexadecimal digits and numbers as text: many readers of JSON lose digits beyond 2^53."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, dict):
        return {key: as_text(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_text(item) for item in value]
    return value


def show(vectors):
    """Prints lists of vectors by name, one vector a line."""
    parts = []
    for name, entries in vectors.items():
        lines = ",\n".join("  " + json.dumps(as_text(entry)) for entry in entries)
        parts.append(f" {json.dumps(name)}: [\n{lines}\n ]")
    print("{\n" + ",\n".join(parts) + "\n}")
