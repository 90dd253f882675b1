"""What a device signs, hashes and encodes, written from PROTOCOL.md with eth-account, eth-abi, cbor2 and hashlib."""

import hashlib
import hmac
import math
from fractions import Fraction

import cbor2
from eth_abi import encode as abi
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_utils import keccak

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141

TYPES = {
    "Voucher": "bytes32 channelId,uint128 cumulativeAmount",
    "Anchor": "bytes32 channelId,uint128 baseAmount,uint64 baseTicks,uint32 tickAmount,uint32 ticksPerAmount,"
    "uint16 length,bytes32 tariff,bytes32 root",
    "Receipt": "bytes32 channelId,uint128 authorised,uint128 used,bytes32 tariff,uint64 time",
    "Attach": "bytes32 binding,address hub,uint8 role",
}


class ProtocolError(Exception):
    """The hub did something that PROTOCOL.md does not allow."""


def encode(message):
    """Deterministic CBOR."""
    return cbor2.dumps(message, canonical=True)


def decode_all(data):
    """The messages that stand one after another in `data`, each in its deterministic encoding."""
    messages = []
    while data:
        message = cbor2.loads(data)
        again = encode(message)
        if not data.startswith(again):
            raise ProtocolError(f"not the deterministic encoding: {data.hex()}")
        messages.append(message)
        data = data[len(again) :]
    return messages


def decode(data):
    """Exactly one message."""
    messages = decode_all(data)
    if len(messages) != 1:
        raise ProtocolError(f"one message expected: {data.hex()}")
    return messages[0]


def channel_id(escrow, device):
    return keccak(abi(["bytes32", "address"], [escrow, device]))


def lane_id(channel, payee, rating_group):
    return keccak(abi(["bytes32", "address", "uint256"], [channel, payee, rating_group]))


class Ledger:
    """The EIP-712 domain of the ledger that a hub works on."""

    def __init__(self, chain_id, contract):
        self.chain_id, self.contract = chain_id, contract

    def typed(self, kind, message):
        fields = [field.split(" ") for field in TYPES[kind].split(",")]
        types = {kind: [{"name": name, "type": of} for of, name in fields]}
        domain = {
            "name": "EVM Payment Channel",
            "version": "1",
            "chainId": self.chain_id,
            "verifyingContract": self.contract,
        }
        return encode_typed_data(domain, types, message)

    def separator(self):
        return self.typed("Voucher", {"channelId": bytes(32), "cumulativeAmount": 0}).header

    def signer(self, kind, message, compact):
        """The address that made an EIP-2098 signature over a message."""
        parity_and_s = int.from_bytes(compact[32:], "big")
        s, parity = parity_and_s & (2**255 - 1), parity_and_s >> 255
        if not 0 < s <= ORDER // 2:
            raise ProtocolError("a signature without a low s")
        rsv = compact[:32] + s.to_bytes(32, "big") + bytes([27 + parity])
        return bytes.fromhex(Account.recover_message(self.typed(kind, message), signature=rsv)[2:])


class Key:
    """A device's key."""

    def __init__(self, secret):
        self.secret = secret
        self.account = Account.from_key(secret)
        self.address = bytes.fromhex(self.account.address[2:])

    def sign(self, ledger, kind, message):
        """An EIP-2098 signature, from what a stock wallet returns."""
        rsv = bytes(self.account.sign_message(ledger.typed(kind, message)).signature)
        s = int.from_bytes(rsv[32:64], "big")
        return rsv[:32] + (s | (rsv[64] - 27) << 255).to_bytes(32, "big")


def binding(nonce, certificate):
    return hashlib.sha256(nonce + hashlib.sha256(certificate).digest()).digest()


def step(link, lane, index):
    """The link at `index - 1`."""
    return hashlib.sha256(link + lane[:16] + index.to_bytes(2, "big")).digest()


def anchor_message(lane, terms):
    """Anchor terms as they are on the wire, as the typed data that is signed."""
    names = ["baseAmount", "baseTicks", "tickAmount", "ticksPerAmount", "length", "tariff", "root"]
    return {"channelId": lane, **{name: terms[key] for key, name in enumerate(names)}}


def worth(terms, index):
    """The lane's total at an index, exactly."""
    return terms[0] + Fraction((terms[1] + index) * terms[2], terms[3])


class Chain:
    """A hash chain of a lane, and the anchor that makes its preimages money."""

    def __init__(self, key, ledger, lane, base_amount, tick_amount, ticks_per_amount, length, tariff):
        kinds = ["bytes32", "uint128", "uint64", "uint32", "uint32", "uint16", "bytes32"]
        words = abi(kinds, [lane, base_amount, 0, tick_amount, ticks_per_amount, length, tariff])
        self.links = [hmac.new(key.secret, ledger.separator() + words, hashlib.sha256).digest()]
        for index in range(length, 0, -1):
            self.links.append(step(self.links[-1], lane, index))
        self.links.reverse()
        self.terms = {
            0: base_amount, 1: 0, 2: tick_amount, 3: ticks_per_amount, 4: length, 5: tariff, 6: self.links[0],
        }
        self.tag = int.from_bytes(self.links[0][:8], "big")
        self.signed = {0: self.terms, 1: key.sign(ledger, "Anchor", anchor_message(lane, self.terms))}

    def total(self, index):
        """Whole base units at an index."""
        return math.floor(worth(self.terms, index))


def proven_total(key, ledger, lane, view):
    """The greatest total of a lane view for which it holds a proof by our own key: nothing else is believed."""
    best = Fraction(0)
    voucher = view.get(5)
    if voucher is not None:
        message = {"channelId": lane, "cumulativeAmount": voucher[0]}
        if ledger.signer("Voucher", message, voucher[1]) != key.address:
            raise ProtocolError("the hub shows a voucher that this key did not sign")
        best = Fraction(voucher[0])
    for tick in view[6]:
        terms, index, link = tick[0][0], tick[1], tick[2]
        if ledger.signer("Anchor", anchor_message(lane, terms), tick[0][1]) != key.address:
            raise ProtocolError("the hub shows an anchor that this key did not sign")
        for place in range(index, 0, -1):
            link = step(link, lane, place)
        if link != terms[6]:
            raise ProtocolError("the hub shows a link that is not of our chain")
        best = max(best, worth(terms, index))
    if view[4] > best:
        raise ProtocolError(f"the hub claims a total of {view[4]} and proves {best}")
    return best
