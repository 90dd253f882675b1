"""Golden vectors of the base ledger: operation digests by eth-account and eth-abi, batch trees in plain Python.

Prints ledger.json. Needs eth-account, eth-abi and eth-utils (`pip install eth-account eth-abi`).
"""

import hashlib
import json

from eth_abi import encode
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_utils import keccak

CHAIN_ID = 0x66_6172_7468
CONTRACT = bytes.fromhex("c0" * 20)
SECRET = bytes([7]) * 32

TYPES = {
    "Issue": "bytes32 reference,address account,uint128 amount",
    "Payout": "bytes32 reference,address account,uint128 amount",
    "RegisterAccount": "address account,uint8 kind,string label,uint64 revision",
    "SetParticipant": "address account,uint128 netDebitCap,address[] approvers,uint64 revision",
    "OpenEscrow": "address payer,address payee,address token,bytes32 salt,address authorizedSigner,uint128 deposit",
    "TopUp": "bytes32 escrowId,uint64 counter,uint128 amount",
    "RequestClose": "bytes32 escrowId,uint64 counter",
    "Withdraw": "bytes32 escrowId,uint64 counter",
    "CloseEscrow": "bytes32 escrowId,uint128 total",
    "RevokeMandate": "bytes32 escrowId,address device,uint64 serial",
    "SettleBatch": "bytes32 escrowId,uint128 prevSettled,uint128 total,bytes32 root,uint32 channels,uint32 lanes,"
    "bytes32 journalRoot,uint64 epoch",
    "TransferBatch": "bytes32 proposalId,uint64 epoch,Leg[] legs",
    "Leg": "address from,address to,uint128 amount",
    "SetPayout": "address account,address payout,uint64 revision",
    "CloseEpoch": "address hub,uint64 epoch,bytes32 proposalId,JournalCursor[] cursors,bytes32 journalRoot",
    "JournalCursor": "uint16 thread,uint64 term,uint64 sequence,bytes32 blockHash",
}
PARTS = {"TransferBatch": ["Leg"], "CloseEpoch": ["JournalCursor"]}
WIDTHS = {"uint8": 3, "uint16": 2**16, "uint32": 2**32, "uint64": 2**64, "uint128": 2**64}


def fields(kind):
    return [tuple(field.split(" ")) for field in TYPES[kind].split(",")]


def draw(label, size=32):
    """Bytes that look random and are the same on every run."""
    return hashlib.shake_256(b"farthing ledger vectors/" + label.encode()).digest(size)


def value(of, label):
    """A value of a type. Amounts stay within the 64 bits that the ledger holds."""
    if of == "address":
        return draw(label, 20)
    if of == "bytes32":
        return draw(label)
    if of == "string":
        return "Zähler " + draw(label, 4).hex()
    if of.endswith("[]"):
        part = message if of[:-2] in TYPES else value
        return [part(of[:-2], f"{label}/{place}") for place in range(1 + draw(label)[0] % 3)]
    return int.from_bytes(draw(label, 16), "big") % WIDTHS[of]


def message(kind, label):
    return {name: value(of, f"{label}/{name}") for of, name in fields(kind)}


def operation(kind, number):
    types = {
        name: [{"name": field, "type": of} for of, field in fields(name)] for name in [kind, *PARTS.get(kind, [])]
    }
    domain = {"name": "EVM Payment Channel", "version": "1", "chainId": CHAIN_ID, "verifyingContract": CONTRACT}
    said = message(kind, f"{kind}/{number}")
    signable = encode_typed_data(domain, types, said)
    signature = bytes(Account.from_key(SECRET).sign_message(signable).signature)
    digest = keccak(b"\x19" + signable.version + signable.header + signable.body)
    return {"kind": kind, "message": said, "digest": digest, "signature": signature}


def escrow(number):
    terms = message("OpenEscrow", f"escrow/{number}")
    del terms["deposit"]
    kinds = ["address", "address", "address", "bytes32", "address", "address", "uint256"]
    words = encode(kinds, [*terms.values(), CONTRACT, CHAIN_ID])
    return {**terms, "id": keccak(words)}


PADDING = (keccak(b"\x04"), 0)


def above(tag, left, right):
    (left_hash, left_sum), (right_hash, right_sum) = left, right
    body = tag + left_hash + left_sum.to_bytes(16, "big") + right_hash + right_sum.to_bytes(16, "big")
    return keccak(body), left_sum + right_sum


def root(tag, nodes):
    while len(nodes) > 1:
        nodes += [PADDING] * (len(nodes) % 2)
        nodes = [above(tag, nodes[place], nodes[place + 1]) for place in range(0, len(nodes), 2)]
    return nodes[0] if nodes else PADDING


def lane_id(escrow_id, device, payee, group):
    channel = keccak(encode(["bytes32", "address"], [escrow_id, device]))
    return keccak(encode(["bytes32", "address", "uint256"], [channel, payee, group]))


def tree(shape):
    """A batch whose channels have as many lanes as `shape` says."""
    label = f"tree/{shape}"
    escrow_id = draw(label)
    channels, leaves = [], []
    for device, lanes in zip(sorted(draw(f"{label}/{place}", 20) for place in range(len(shape))), shape):
        here = f"{label}/{device.hex()}"
        limit, expiry, serial = 2**70 + lanes, value("uint64", here + "expiry"), value("uint64", here + "serial")
        rows = []
        for place in range(lanes):
            payee, group = draw(f"{here}/{place}", 20), place
            total = value("uint64", f"{here}/{place}/total") % 2**40
            rows.append((lane_id(escrow_id, device, payee, group), payee, group, total))
        rows.sort()
        nodes = [
            (keccak(b"\x00" + lane + payee + group.to_bytes(4, "big") + total.to_bytes(16, "big")), total)
            for lane, payee, group, total in rows
        ]
        lanes_root, total = root(b"\x02", nodes)
        body = device + limit.to_bytes(16, "big") + expiry.to_bytes(8, "big") + serial.to_bytes(8, "big")
        body += lanes.to_bytes(4, "big") + total.to_bytes(16, "big") + lanes_root
        leaves.append((keccak(b"\x01" + body), total))
        shown = [{"payee": payee, "group": group, "total": total} for _, payee, group, total in rows]
        channels.append({"device": device, "limit": limit, "expiry": expiry, "serial": serial, "lanes": shown})
    top, total = root(b"\x03", leaves)
    return {"escrow": escrow_id, "channels": channels, "root": top, "total": total}


def as_text(thing):
    """Bytes as 0x and digits, numbers as text: many readers of JSON lose digits beyond 2^53."""
    if isinstance(thing, bytes):
        return "0x" + thing.hex()
    if isinstance(thing, int):
        return str(thing)
    if isinstance(thing, dict):
        return {key: as_text(item) for key, item in thing.items()}
    return [as_text(item) for item in thing] if isinstance(thing, list) else thing


def main():
    kinds = [kind for kind in TYPES if kind not in ("Leg", "JournalCursor")]
    vectors = {
        "operations": [operation(kind, number) for kind in kinds for number in range(2)],
        "escrows": [escrow(number) for number in range(3)],
        "trees": [tree(shape) for shape in ([], [1], [1, 2], [3, 1, 5], [2, 7, 1, 1, 4], [1] * 8, [1] * 9)],
    }
    parts = []
    for name, entries in vectors.items():
        lines = ",\n".join("  " + json.dumps(as_text(entry), ensure_ascii=False) for entry in entries)
        parts.append(f" {json.dumps(name)}: [\n{lines}\n ]")
    print("{\n" + ",\n".join(parts) + "\n}")


if __name__ == "__main__":
    main()
