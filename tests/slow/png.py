"""Reads the PNGs that a browser writes: eight bits a channel, RGB or RGBA, not interlaced (https://www.w3.org/TR/png)."""

from __future__ import annotations

import struct
import zlib

import numpy as np

_CHANNELS = {2: 3, 6: 4}


def read_png(data: bytes) -> np.ndarray:
    """Pixels, uint8 [height, width, 3]; alpha is left out."""
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    at, packed, width, height, channels = 8, b"", 0, 0, 0
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        body = data[at + 8 : at + 8 + size]
        assert zlib.crc32(kind + body) == struct.unpack_from(">I", data, at + 8 + size)[0]
        if kind == b"IHDR":
            width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", body)
            assert (depth, interlaced) == (8, 0)
            channels = _CHANNELS[colour]
        elif kind == b"IDAT":
            packed += body
        at += 12 + size
    rows = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(height, 1 + width * channels)
    pixels = np.zeros((height + 1, width + 1, channels), np.uint8)  # a row above and a pixel before, both zero
    for y, row in enumerate(rows):
        _unfilter(int(row[0]), row[1:].reshape(width, channels), pixels[y], pixels[y + 1])
    return pixels[1:, 1:, :3]


def _unfilter(kind: int, line: np.ndarray, above: np.ndarray, out: np.ndarray) -> None:
    if kind == 0:
        out[1:] = line
    elif kind == 1:
        out[1:] = np.cumsum(line, axis=0, dtype=np.uint8)
    elif kind == 2:
        out[1:] = line + above[1:]
    else:
        predict = _average if kind == 3 else _paeth
        up = above.astype(int).tolist()
        left = [0] * line.shape[1]
        for x, pixel in enumerate(line.tolist()):
            left = [(value + predict(left[c], up[x + 1][c], up[x][c])) & 255 for c, value in enumerate(pixel)]
            out[x + 1] = left


def _average(left: int, up: int, corner: int) -> int:
    return (left + up) // 2


def _paeth(left: int, up: int, corner: int) -> int:
    guess = left + up - corner
    return min((abs(guess - left), 0, left), (abs(guess - up), 1, up), (abs(guess - corner), 2, corner))[2]
