"""A payer with a wallet library of another house: opens an escrow, tops it up, asks to leave, withdraws.

It knows the contracts' ABI and nothing else of the project. Signatures are eth-account's, encodings eth-abi's.

    wallet.py NODE ABI_FOLDER ESCROW TOKEN HUB KEY (open | withdraw ESCROW_ID)
"""

import json
import pathlib
import sys
import time
import urllib.request

from eth_abi import decode, encode
from eth_account import Account
from eth_utils import keccak, to_checksum_address

node, folder, escrow, token, hub, secret, command, *rest = sys.argv[1:]
account = Account.from_key(secret)


def ask(method, *params):
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    request = urllib.request.Request(node, body, {"content-type": "application/json"})
    answer = json.loads(urllib.request.urlopen(request, timeout=30).read())
    if "error" in answer:
        raise SystemExit(f"{method}: {answer['error']}")
    return answer["result"]


def entry(contract, name):
    """The function's entry in the contract's ABI."""
    abi = json.loads(pathlib.Path(folder, f"{contract}.json").read_text())["abi"]
    return next(item for item in abi if item["type"] == "function" and item["name"] == name)


def types(fields):
    return [f"({','.join(types(field['components']))})" if field["type"] == "tuple" else field["type"] for field in fields]


def data(contract, name, *arguments):
    inputs = types(entry(contract, name)["inputs"])
    selector = keccak(text=f"{name}({','.join(inputs)})")[:4]
    return "0x" + (selector + encode(inputs, arguments)).hex()


def view(contract, address, name, *arguments):
    result = ask("eth_call", {"to": address, "data": data(contract, name, *arguments)}, "latest")
    return decode(types(entry(contract, name)["outputs"]), bytes.fromhex(result[2:]))


def send(contract, address, name, *arguments):
    call = {"to": to_checksum_address(address), "data": data(contract, name, *arguments)}
    gas = int(ask("eth_estimateGas", {**call, "from": account.address}), 16)
    base = int(ask("eth_getBlockByNumber", "latest", False)["baseFeePerGas"], 16)
    transaction = {
        **call,
        "type": 2,
        "chainId": int(ask("eth_chainId"), 16),
        "nonce": int(ask("eth_getTransactionCount", account.address, "pending"), 16),
        "gas": gas * 5 // 4,
        "maxFeePerGas": 2 * base + 10**9,
        "maxPriorityFeePerGas": 10**9,
        "value": 0,
    }
    sent = ask("eth_sendRawTransaction", "0x" + account.sign_transaction(transaction).raw_transaction.hex().removeprefix("0x"))
    while (receipt := ask("eth_getTransactionReceipt", sent)) is None:
        time.sleep(0.02)
    assert receipt["status"] == "0x1", receipt


def channel(escrow_id):
    (found,) = view("Escrow", escrow, "getChannel", escrow_id)
    return dict(zip([field["name"] for field in entry("Escrow", "getChannel")["outputs"][0]["components"]], found))


if command == "open":
    salt, nobody = bytes(32), "0x" + "00" * 20
    (escrow_id,) = view("Escrow", escrow, "computeChannelId", account.address, hub, token, salt, nobody)
    send("PlainToken", token, "approve", escrow, 1000)
    send("Escrow", escrow, "open", hub, token, 700, salt, nobody)
    send("Escrow", escrow, "topUp", escrow_id, 300)
    assert channel(escrow_id)["deposit"] == 1000
    send("Escrow", escrow, "requestClose", escrow_id)
    print("0x" + escrow_id.hex(), channel(escrow_id)["closeRequestedAt"])
elif command == "withdraw":
    escrow_id = bytes.fromhex(rest[0][2:])
    send("Escrow", escrow, "withdraw", escrow_id)
    assert channel(escrow_id)["finalized"]
    print(view("PlainToken", token, "balanceOf", account.address)[0])
