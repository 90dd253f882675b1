"""Golden vectors of identities: eth-account for addresses, eth-abi for the encodings that are hashed."""

import hashlib

from _foreign import U32_MAX, U64_MAX, address, draw, number, show
from eth_abi import encode
from eth_utils import keccak


def escrow(turn):
    label = f"escrow {turn}"
    terms = {
        "payer": draw(label + "payer", 20),
        "payee": draw(label + "payee", 20),
        "token": bytes(20) if turn % 2 else draw(label + "token", 20),
        "salt": draw(label + "salt"),
        "authorized_signer": bytes(20) if turn % 3 else draw(label + "signer", 20),
        "contract": draw(label + "contract", 20),
        "chain_id": [1, 0x6661727468, U64_MAX, number(label, 64)][turn],
    }
    kinds = ["address"] * 3 + ["bytes32"] + ["address"] * 2 + ["uint256"]
    return {**terms, "id": keccak(encode(kinds, list(terms.values())))}


def lane(turn):
    label = f"lane {turn}"
    terms = {
        "escrow": draw(label + "escrow"),
        "device": draw(label + "device", 20),
        "payee": draw(label + "payee", 20),
        "rating_group": [0, 1, U32_MAX, number(label, 32)][turn],
    }
    channel = keccak(encode(["bytes32", "address"], [terms["escrow"], terms["device"]]))
    id = keccak(encode(["bytes32", "address", "uint256"], [channel, terms["payee"], terms["rating_group"]]))
    return {**terms, "channel": channel, "id": id, "tag": id[:16]}


def payees(count):
    listed = sorted(draw(f"payee {place}", 20) for place in range(count))
    words = b"".join(encode(["address"], [payee]) for payee in listed)
    return {"payees": listed, "hash": keccak(words) if listed else bytes(32)}


def binding(turn):
    nonce, certificate = draw(f"nonce {turn}"), draw(f"certificate {turn}", 1 + 300 * turn)
    pin = hashlib.sha256(certificate).digest()
    return {
        "nonce": nonce,
        "certificate": certificate,
        "pin": pin,
        "binding": hashlib.sha256(nonce + pin).digest(),
    }


if __name__ == "__main__":
    secrets = [b"\x07" * 32, (1).to_bytes(32, "big")] + [draw(f"secret {turn}") for turn in range(4)]
    show({
        "keys": [{"secret": secret, "address": address(secret)} for secret in secrets],
        "escrows": [escrow(turn) for turn in range(4)],
        "lanes": [lane(turn) for turn in range(4)],
        "payees": [payees(count) for count in (0, 1, 2, 32)],
        "bindings": [binding(turn) for turn in range(3)],
    })
