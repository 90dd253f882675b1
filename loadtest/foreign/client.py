#!/usr/bin/env python3
"""A Farthing device written from PROTOCOL.md alone, on aioquic, cbor2 and eth-account.

It attaches, resumes its lane from its own proofs, pays by vouchers and by ticks, waits for every acknowledgement, asks for
a receipt and checks it. With --probe it also sends what a hub must refuse.

    client.py --hub HOST:PORT --pin HEX --key HEX --escrow HEX --payee ADDRESS [--rating-group N] [--mandate FILE]

    --hub HOST:PORT       the hub's UDP address
    --pin HEX             SHA-256 of the hub's certificate (DER)
    --key HEX|@FILE       the device's secret key: 64 hexadecimal digits, or a file that holds them or the 32 bytes
    --escrow HEX          the escrow to pay from
    --mandate FILE        a bundle of this device's mandate, as CBOR or its hexadecimal digits; may be left out
                          where the hub knows it, or the key is the escrow's signer (a lone payer)
    --payee ADDRESS       whom to pay
    --rating-group N      for which of its services (0)
    --vouchers N          vouchers to pay with (2), each --voucher-amount (1000) base units above the last
    --ticks N             ticks to pay with (20); chains are renewed every --chain-length (16) ticks
    --tick-amount A --ticks-per-amount B    A base units per B ticks (3 per 2)
    --transport datagram|stream             how payments travel (datagram)
    --probe               also send replays and bad payments, and expect the documented answers
    --close               close the channel at the end
    --timeout SECONDS     for everything together (30)

Prints one line of JSON: address, channel, lane, resumed_from, authorised, vouchers_acknowledged, ticks_acknowledged,
receipt (its fields), refusals (code by probe), closed. Exits with 0 when all of it was as PROTOCOL.md says, otherwise
with 1 and the reason on standard error.
"""

import argparse
import asyncio
import hashlib
import json
import math
import pathlib
import sys

from connection import open_connection
from proofs import Chain, Key, Ledger, ORDER, ProtocolError, binding, channel_id, decode, encode, lane_id, proven_total

RETRY_SECONDS = 1.0
RETRY_SECONDS_MAX = 8.0


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    hexed = lambda text: bytes.fromhex(text.removeprefix("0x"))  # noqa: E731
    parser.add_argument("--hub", required=True)
    parser.add_argument("--pin", required=True, type=hexed)
    parser.add_argument("--key", required=True, type=secret)
    parser.add_argument("--escrow", required=True, type=hexed)
    parser.add_argument("--mandate", type=pathlib.Path)
    parser.add_argument("--payee", required=True, type=hexed)
    parser.add_argument("--rating-group", type=int, default=0)
    parser.add_argument("--vouchers", type=int, default=2)
    parser.add_argument("--voucher-amount", type=int, default=1000)
    parser.add_argument("--ticks", type=int, default=20)
    parser.add_argument("--chain-length", type=int, default=16)
    parser.add_argument("--tick-amount", type=int, default=3)
    parser.add_argument("--ticks-per-amount", type=int, default=2)
    parser.add_argument("--transport", choices=["datagram", "stream"], default="datagram")
    parser.add_argument("--server-name", default="localhost")
    parser.add_argument("--probe", action="store_true")
    parser.add_argument("--close", action="store_true")
    parser.add_argument("--timeout", type=float, default=30.0)
    return parser.parse_args()


def secret(text):
    if not text.startswith("@"):
        return bytes.fromhex(text.removeprefix("0x"))
    content = pathlib.Path(text[1:]).read_bytes()
    return content if len(content) == 32 else bytes.fromhex(content.decode().strip().removeprefix("0x"))


def mandate_bundle(path):
    content = path.read_bytes()
    try:
        content = bytes.fromhex(content.decode("ascii").strip().removeprefix("0x"))
    except ValueError:
        pass
    return decode(content)


class Device:
    """A device on one attached lane."""

    def __init__(self, options, connection, hello):
        self.options, self.connection, self.hello = options, connection, hello
        self.ledger = Ledger(hello[2], hello[3])
        self.key = Key(options.key)
        self.channel = channel_id(options.escrow, self.key.address)
        self.results = {"address": "0x" + self.key.address.hex(), "channel": "0x" + self.channel.hex()}
        self.refusals = {}

    async def attach(self):
        options = self.options
        message = {"binding": binding(self.hello[0], self.connection.certificate), "hub": self.hello[1], "role": 0}
        offer = {0: options.payee, 1: options.rating_group}
        request = {0: 0, 1: self.key.sign(self.ledger, "Attach", message), 2: options.escrow, 4: [offer]}
        if options.mandate is not None:
            request[3] = mandate_bundle(options.mandate)
        (code, body), _ = await self.connection.request([32, request])
        if code != 48:
            raise ProtocolError(f"attach was answered by {[code, body]}")
        attached, view = body[0], body[0][6][0]
        if (attached[0], attached[1]) != (self.key.address, self.channel):
            raise ProtocolError("attached as somebody else")
        # A lone payer has no mandate, so no serial; its one lane is the escrow itself.
        is_lone = 5 not in attached
        self.lane = options.escrow if is_lone else lane_id(self.channel, options.payee, options.rating_group)
        if view[1] != self.lane or view[2] != options.payee:
            raise ProtocolError("the hub opened another lane")
        self.handle, self.tariff = view[0], view[7]
        self.total = proven_total(self.key, self.ledger, self.lane, view)
        self.results.update(lane="0x" + self.lane.hex(), resumed_from=math.floor(self.total))
        if any(self.tariff):
            await self.check_tariff()

    async def check_tariff(self):
        (code, body), _ = await self.connection.request([35, {0: self.tariff}])
        if code != 51 or hashlib.sha256(b"farthing/tariff/1" + body[0]).digest() != self.tariff:
            raise ProtocolError("the tariff is not the one its hash names")

    async def pay(self, payment, is_covered):
        """Sends a payment until an acknowledgement covers it. A refusal is an error."""
        wait = RETRY_SECONDS
        while True:
            self.connection.send_payment_bytes(encode(payment))
            try:
                async with asyncio.timeout(wait):
                    while True:
                        code, body = await self.connection.next_answer()
                        if body.get(0) not in (self.handle, self.lane):
                            continue
                        if code == 17:
                            raise ProtocolError(f"refused with code {body[1]}: {payment}")
                        if is_covered(body):
                            return body
            except TimeoutError:
                wait = min(2 * wait, RETRY_SECONDS_MAX)

    def voucher(self, amount, lane=None, changed=lambda signature: signature):
        message = {"channelId": self.lane, "cumulativeAmount": amount}
        signature = changed(self.key.sign(self.ledger, "Voucher", message))
        return [2, {0: self.handle if lane is None else lane, 1: {0: amount, 1: signature}}]

    async def pay_vouchers(self):
        for turn in range(self.options.vouchers):
            self.total = math.floor(self.total) + self.options.voucher_amount
            # A handle is short; the lane's identity works as well.
            payment = self.voucher(self.total, lane=self.lane if turn % 2 else None)
            await self.pay(payment, lambda answer: answer[1] >= self.total)
        self.results["vouchers_acknowledged"] = self.options.vouchers

    async def pay_ticks(self):
        options, paid = self.options, 0
        while paid < options.ticks:
            base = math.floor(self.total)
            chain = Chain(
                self.key, self.ledger, self.lane, base, options.tick_amount, options.ticks_per_amount,
                options.chain_length, self.tariff,
            )
            self.chain = chain
            anchor = [3, {0: self.handle, 1: chain.signed}]
            await self.pay(anchor, lambda answer: answer.get(2) == chain.tag)
            for index in range(1, min(options.chain_length, options.ticks - paid) + 1):
                tick = [1, {0: self.handle, 1: index, 2: chain.links[index]}]
                await self.pay(tick, lambda answer: answer.get(2) == chain.tag and answer[3] >= index)
                paid += 1
                self.total = chain.total(index)
        self.results["ticks_acknowledged"] = paid

    async def refusal(self, name, payload, expected):
        """Sends what must be refused, and expects the refusal's code."""
        self.connection.send_payment_bytes(payload)
        while True:
            code, body = await self.connection.next_answer()
            if code == 17:
                break
        if body[1] != expected:
            raise ProtocolError(f"{name}: refused with {body[1]} instead of {expected}")
        self.refusals[name] = body[1]

    async def probe(self):
        total = math.floor(self.total)
        # A payment again, and one from long ago: known, and answered by the acknowledgement again.
        for amount in (total, 1):
            answer = await self.pay(self.voucher(amount), lambda answer: True)
            if answer[1] != total:
                raise ProtocolError("a known voucher changed the total")

        def high_s(signature):
            s = int.from_bytes(signature[32:], "big") & (2**255 - 1)
            return signature[:32] + (min(ORDER - s, 2**255 - 1)).to_bytes(32, "big")

        above = total + 1
        good = encode(self.voucher(above))
        await self.refusal("high s", encode(self.voucher(above, changed=high_s)), 100)
        await self.refusal("r of zero", encode(self.voucher(above, changed=lambda s: bytes(32) + s[32:])), 100)
        forged = self.voucher(above)
        forged[1][1][0] += 1
        await self.refusal("another amount than signed", encode(forged), 101)
        await self.refusal("zero", encode(self.voucher(0)), 80)
        await self.refusal("unknown lane", encode(self.voucher(above, lane=bytes(32))), 42)
        await self.refusal("unknown key", good.replace(b"\xa2", b"\xa3", 1) + b"\x02\x00", 2)
        await self.refusal("cut short", good[:-1], 1)
        bad = Chain(self.key, self.ledger, self.lane, total, 1, 1, 100, self.tariff)
        await self.pay([3, {0: self.handle, 1: bad.signed}], lambda answer: answer.get(2) == bad.tag)
        await self.refusal("beyond the chain", encode([1, {0: self.handle, 1: 60000, 2: bytes(32)}]), 87)
        await self.refusal("wrong tick", encode([1, {0: self.handle, 1: 50, 2: bytes(32)}]), 102)
        # Nothing of this moved the lane.
        (code, body), _ = await self.connection.request([34, {0: self.handle}])
        if code != 50 or body[0][4] != total:
            raise ProtocolError("a refused payment changed the total")
        self.results["refusals"] = self.refusals

    def check_receipt(self, receipt):
        message = {
            "channelId": self.lane, "authorised": receipt[1], "used": receipt[2], "tariff": receipt[3],
            "time": receipt[4],
        }
        if receipt[0] != self.lane or self.ledger.signer("Receipt", message, receipt[5]) != self.hello[1]:
            raise ProtocolError("the receipt is not by this hub for this lane")
        if receipt[1] != math.floor(self.total):
            raise ProtocolError(f"a receipt over {receipt[1]} where {math.floor(self.total)} was acknowledged")
        return {"authorised": receipt[1], "used": receipt[2], "time": receipt[4], "signature": "0x" + receipt[5].hex()}

    async def finish(self):
        (code, body), _ = await self.connection.request([33, {0: self.handle}])
        if code != 49:
            raise ProtocolError(f"no receipt: {[code, body]}")
        self.results["receipt"] = self.check_receipt(body[0])
        self.results["authorised"] = math.floor(self.total)
        self.results["closed"] = False
        if self.options.close:
            (code, body), _ = await self.connection.request([36, {0: self.channel}])
            if code != 52:
                raise ProtocolError(f"not closed: {[code, body]}")
            for closed in body[0]:
                if closed[0][0] == self.lane:
                    self.check_receipt(closed[0])
            self.results["closed"] = True


async def run(options):
    host, port = options.hub.rsplit(":", 1)
    datagrams = options.transport == "datagram"
    connecting = open_connection(host.strip("[]"), int(port), options.pin, options.server_name, datagrams)
    async with asyncio.timeout(options.timeout), connecting as connection:
        code, hello = await connection.hello
        if code != 0:
            raise ProtocolError("the first message is no hello")
        device = Device(options, connection, hello)
        await device.attach()
        if not datagrams:
            await connection.open_payment_stream()
        await device.pay_vouchers()
        await device.pay_ticks()
        if options.probe:
            await device.probe()
        await device.finish()
        return device.results


def main():
    options = arguments()
    try:
        results = asyncio.run(run(options))
    except (ProtocolError, ConnectionError, TimeoutError, OSError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    print(json.dumps(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
