"""Makes the id of the proposal in `src/proposal/tests.rs` without any code of Farthing: the preimage is
`"farthing/proposal/1"` followed by deterministic CBOR (RFC 8949, 4.2.1), hashed with keccak256. Needs cbor2."""

import cbor2

ROTATIONS = [[0, 36, 3, 41, 18], [1, 44, 10, 45, 2], [62, 6, 43, 15, 61], [28, 55, 25, 21, 56], [27, 20, 39, 8, 14]]
MASK = (1 << 64) - 1


def rotate(value, by):
    return ((value << by) | (value >> (64 - by))) & MASK if by else value


def permute(a):
    lfsr = 1
    for _ in range(24):
        c = [a[x][0] ^ a[x][1] ^ a[x][2] ^ a[x][3] ^ a[x][4] for x in range(5)]
        d = [c[(x - 1) % 5] ^ rotate(c[(x + 1) % 5], 1) for x in range(5)]
        b = [[0] * 5 for _ in range(5)]
        for x in range(5):
            for y in range(5):
                b[y][(2 * x + 3 * y) % 5] = rotate(a[x][y] ^ d[x], ROTATIONS[x][y])
        a = [[b[x][y] ^ (~b[(x + 1) % 5][y] & b[(x + 2) % 5][y] & MASK) for y in range(5)] for x in range(5)]
        for bit in range(7):
            if lfsr & 1:
                a[0][0] ^= 1 << ((1 << bit) - 1)
            lfsr = (lfsr << 1) ^ (0x171 if lfsr & 0x80 else 0)
    return a


def keccak256(data):
    rate = 136
    padding = rate - len(data) % rate
    data += b"\x81" if padding == 1 else b"\x01" + bytes(padding - 2) + b"\x80"
    a = [[0] * 5 for _ in range(5)]
    for start in range(0, len(data), rate):
        block = data[start : start + rate]
        for lane in range(rate // 8):
            a[lane % 5][lane // 5] ^= int.from_bytes(block[8 * lane : 8 * lane + 8], "little")
        a = permute(a)
    return b"".join(a[lane % 5][lane // 5].to_bytes(8, "little") for lane in range(4))


assert keccak256(b"").hex() == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"

address = lambda byte: bytes([byte]) * 20
word = lambda byte: bytes([byte]) * 32
proposal = {
    0: address(1),
    1: 7,
    2: address(2),
    3: 3,
    4: word(4),
    5: word(5),
    6: word(6),
    7: [[word(7), 10, 25, word(8), 2, 3, word(9), 3]],
    8: [[address(1), address(10), 15]],
    9: [[0, 13, 11, word(12)]],
    10: word(9),
}
print("0x" + keccak256(b"farthing/proposal/1" + cbor2.dumps(proposal, canonical=True)).hex())
