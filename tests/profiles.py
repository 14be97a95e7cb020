"""Color profiles that the tests make byte by byte: RGB by its primaries, gray by its curve, inks by a table."""

import struct

import numpy as np
from numpy.typing import NDArray

# Chromaticities of red, green, blue and white, and the exponent of the curve.
DISPLAY_P3 = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), (0.3127, 0.3290), 2.2)
ADOBE_RGB = ((0.640, 0.330), (0.210, 0.710), (0.150, 0.060), (0.3127, 0.3290), 2.19921875)
PROPHOTO = ((0.7347, 0.2653), (0.1596, 0.8404), (0.0366, 0.0001), (0.3457, 0.3585), 1.8)
REC_2020 = ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), (0.3127, 0.3290), 2.4)
SRGB = ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060), (0.3127, 0.3290), 0.0)
RGB = {"Display P3": DISPLAY_P3, "Adobe RGB": ADOBE_RGB, "ProPhoto": PROPHOTO, "Rec. 2020": REC_2020}

D50 = np.array([0.9642, 1.0, 0.8249])
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])

Primaries = tuple[tuple[float, float], tuple[float, float], tuple[float, float], tuple[float, float], float]


def to_d50(space: Primaries) -> NDArray[np.float64]:
    """The matrix from linear RGB to XYZ under D50, as profiles have it."""
    *primaries, white, _ = space
    columns = np.array([[x / y, 1, (1 - x - y) / y] for x, y in primaries]).T
    white_xyz = np.array([white[0] / white[1], 1, (1 - white[0] - white[1]) / white[1]])
    matrix = columns * np.linalg.solve(columns, white_xyz)
    cones = np.diag((BRADFORD @ D50) / (BRADFORD @ white_xyz))
    return np.linalg.inv(BRADFORD) @ cones @ BRADFORD @ matrix


def linear(values: NDArray[np.float64], gamma: float) -> NDArray[np.float64]:
    if gamma:
        return values**gamma
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def encoded(values: NDArray[np.float64], gamma: float) -> NDArray[np.float64]:
    values = values.clip(0, 1)
    if gamma:
        return values ** (1 / gamma)
    return np.where(values <= 0.0031308, values * 12.92, 1.055 * values ** (1 / 2.4) - 0.055)


def in_space(pixels: NDArray[np.uint8], space: Primaries) -> NDArray[np.uint8]:
    """The sRGB pixels `(H, W, 3)` with the same colors in another space, as an image program exports them."""
    light = linear(pixels / 255, 0.0) @ to_d50(SRGB).T
    return np.rint(encoded(light @ np.linalg.inv(to_d50(space)).T, space[4]) * 255).astype(np.uint8)


def rgb_profile(name: str, space: Primaries) -> bytes:
    """A profile of three primaries and one curve."""
    matrix = to_d50(space)
    tags = {b"wtpt": _xyz(D50), b"rXYZ": _xyz(matrix[:, 0]), b"gXYZ": _xyz(matrix[:, 1]), b"bXYZ": _xyz(matrix[:, 2])}
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), _curve(space[4]))
    return _profile(b"mntr", b"RGB ", b"XYZ ", name, tags)


def gray_profile(name: str, gamma: float) -> bytes:
    """A profile of one curve."""
    return _profile(b"mntr", b"GRAY", b"XYZ ", name, {b"wtpt": _xyz(D50), b"kTRC": _curve(gamma)})


def ink_profile(name: str) -> bytes:
    """A profile of four inks of a press that prints darker than the plain formula: a table of two steps per ink."""
    corners = np.stack(np.meshgrid(*[[0.0, 1.0]] * 4, indexing="ij"), axis=-1).reshape(-1, 4)  # (16, CMYK)
    lightness = 100 - 25 * corners[:, 0] - 30 * corners[:, 1] - 10 * corners[:, 2] - 45 * corners[:, 3]
    keep = 1 - 0.9 * corners[:, 3]
    a = (-30 * corners[:, 0] + 60 * corners[:, 1]) * keep
    b = (-40 * corners[:, 0] + 70 * corners[:, 2]) * keep
    return _ink_table(name, np.stack([lightness.clip(5), a, b], axis=-1))


#: What each ink does to Lab (L, a, b) on the paper of `even_ink_profile`.
INKS = np.array([[-30, -15, -25], [-30, 30, -5], [-8, -2, 35], [-30, 0, 0]], float)


def even_ink_profile(name: str) -> bytes:
    """A profile of four inks that only add up, so that its colors can be computed by hand: `printed`."""
    corners = np.stack(np.meshgrid(*[[0.0, 1.0]] * 4, indexing="ij"), axis=-1).reshape(-1, 4)
    return _ink_table(name, [100, 0, 0] + corners @ INKS)


def printed(inks: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The sRGB pixels `(H, W, 3)` of inks `(H, W, 4)` under `even_ink_profile`: CIE Lab, then XYZ, then sRGB."""
    lab = [100, 0, 0] + (inks / 255) @ INKS
    middle = (lab[..., 0] + 16) / 116
    roots = np.stack([middle + lab[..., 1] / 500, middle, middle - lab[..., 2] / 200], axis=-1)
    xyz = D50 * np.where(roots > 6 / 29, roots**3, 3 * (6 / 29) ** 2 * (roots - 4 / 29))
    return np.rint(encoded(xyz @ np.linalg.inv(to_d50(SRGB)).T, 0.0) * 255).astype(np.uint8)


def _ink_table(name: str, lab: NDArray[np.float64]) -> bytes:
    """A profile with the Lab of the sixteen corners of all inks."""
    table = np.stack([lab[:, 0] * 652.8, (lab[:, 1] + 128) * 256, (lab[:, 2] + 128) * 256], axis=-1)
    ramps = struct.pack(">2H", 0, 65535)
    lut = (
        b"mft2" + bytes(4) + bytes([4, 3, 2, 0])
        + struct.pack(">9i", *(65536 if i % 4 == 0 else 0 for i in range(9)))
        + struct.pack(">2H", 2, 2) + ramps * 4
        + table.clip(0, 65535).astype(">u2").tobytes() + ramps * 3
    )  # fmt: skip
    return _profile(b"prtr", b"CMYK", b"Lab ", name, {b"wtpt": _xyz(D50), b"A2B0": lut, b"A2B1": lut})


def _xyz(values: NDArray[np.float64]) -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">3i", *np.rint(values * 65536).astype(int).tolist())


def _curve(gamma: float) -> bytes:
    if gamma:
        return b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)
    steps = np.rint(linear(np.linspace(0, 1, 1024), 0.0) * 65535).astype(">u2")
    return b"curv" + bytes(4) + struct.pack(">I", 1024) + steps.tobytes()


def _profile(kind: bytes, space: bytes, connection: bytes, name: str, tags: dict[bytes, bytes]) -> bytes:
    text = name.encode("ascii") + b"\0"
    described = b"desc" + bytes(4) + struct.pack(">I", len(text)) + text + bytes(78)
    tags = {b"desc": described, b"cprt": b"text" + bytes(4) + b"none\0", **tags}
    place = 128 + 4 + 12 * len(tags)
    directory, body = struct.pack(">I", len(tags)), b""
    for signature, data in tags.items():
        data += bytes(-len(data) % 4)
        directory += signature + struct.pack(">2I", place + len(body), len(data))
        body += data
    size = place + len(body)
    header = struct.pack(">I", size) + b"none" + bytes.fromhex("02100000") + kind + space + connection
    header += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + struct.pack(">3i", 63190, 65536, 54061)
    return header + bytes(128 - len(header)) + directory + body
