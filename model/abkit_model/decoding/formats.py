"""What kind of file this is: the kinds that are read, and those that people often have instead, with what to do."""

from __future__ import annotations

from dataclasses import dataclass

#: Formats that are opened, by Pillow's name; it knows many more, each of them a parser that nobody needs for ads.
MEDIA_TYPES = {
    "JPEG": "image/jpeg",
    "MPO": "image/jpeg",  # a JPEG with more images behind it, as phones write it
    "PNG": "image/png",
    "GIF": "image/gif",
    "WEBP": "image/webp",
    "AVIF": "image/avif",
    "HEIF": "image/heif",
    "BMP": "image/bmp",
    "TIFF": "image/tiff",
}
SUPPORTED = "JPEG, PNG, GIF, WebP, AVIF, BMP and TIFF are read, HEIC and video with an extra"

IMAGE_SUFFIXES = frozenset(
    ".jpg .jpeg .jpe .jfif .mpo .png .apng .gif .webp .avif .avifs .heic .heif .hif .bmp .dib .tif .tiff".split()  # noqa: SIM905
)
VIDEO_SUFFIXES = frozenset({".mp4", ".m4v", ".mov", ".qt", ".webm"})


@dataclass(frozen=True)
class Kind:
    """A kind of file that is not read here.

    Attributes:
        name: With its article, such as `an SVG drawing`.
        advice: What to do.
    """

    name: str
    advice: str

    @property
    def reason(self) -> str:
        """Why such a file is not scored, and what to do."""
        return f"{self.name} is not read: {self.advice}"


_AS_PNG = "export it as PNG or JPEG"
_SVG = Kind("an SVG drawing", "export it as PNG in the size in which it is shown")
_PDF = Kind("a PDF", "export its pages as PNG or JPEG")
_PHOTOSHOP = Kind("a Photoshop file", _AS_PNG)
_ILLUSTRATOR = Kind("an Illustrator file", _AS_PNG)
_POSTSCRIPT = Kind("a PostScript (EPS) file", _AS_PNG)
_DESIGN = Kind("a design program's file", _AS_PNG)
_RAW = Kind("a camera's RAW file", "develop it and save it as JPEG")
_JPEG_XL = Kind("a JPEG XL image", "save it as PNG or JPEG")
_JPEG_2000 = Kind("a JPEG 2000 image", "save it as PNG or JPEG")
_ICON = Kind("an icon file", "save it as PNG")
_HDR = Kind("an HDR image", "save it as PNG or JPEG")
_OTHER_IMAGE = Kind("an image in a format that is rare on the web", "save it as PNG or JPEG")
_OTHER_VIDEO = Kind("a video of another kind", "convert it to MP4")
_FLASH = Kind("a Flash film", "export it as MP4 or GIF")
_HTML = Kind("an HTML page", "save an image of it as PNG")
_ARCHIVE = Kind("an archive", "unpack it and name the folder")
_LFS = Kind("a pointer of Git LFS", "fetch the image itself with `git lfs pull`")

_BY_SUFFIX: dict[str, Kind] = {
    suffix: kind
    for kind, suffixes in {
        _SVG: ".svg .svgz",
        _PDF: ".pdf",
        _PHOTOSHOP: ".psd .psb",
        _ILLUSTRATOR: ".ai",
        _POSTSCRIPT: ".eps .ps",
        _DESIGN: ".indd .idml .sketch .fig .xd .afdesign .afphoto .cdr .xcf .kra .clip .aep .prproj",
        _RAW: ".raw .cr2 .cr3 .crw .nef .nrw .arw .srf .sr2 .dng .orf .rw2 .raf .pef .srw .3fr .iiq .x3f .erf .mrw",
        _JPEG_XL: ".jxl",
        _JPEG_2000: ".jp2 .j2k .jpf .jpx .j2c",
        _ICON: ".ico .icns .cur",
        _HDR: ".exr .hdr",
        _OTHER_IMAGE: ".tga .pcx .ppm .pgm .pbm .pnm .dds .wmf .emf .qoi .sgi .pict .flif .jxr .wdp .bpg .heics",
        _OTHER_VIDEO: ".avi .mkv .wmv .flv .f4v .mpg .mpeg .m2v .ts .m2ts .mts .3gp .3g2 .ogv .mxf .vob .asf .divx",
        _FLASH: ".swf .fla",
    }.items()
    for suffix in suffixes.split()
}
_BY_MAGIC: tuple[tuple[int, bytes, Kind], ...] = (
    (0, b"%PDF", _PDF),
    (0, b"8BPS", _PHOTOSHOP),
    (0, b"%!PS", _POSTSCRIPT),
    (0, b"\xc5\xd0\xd3\xc6", _POSTSCRIPT),
    (0, b"PK\x03\x04", _ARCHIVE),
    (0, b"\xff\x0a", _JPEG_XL),
    (4, b"JXL \r\n\x87\n", _JPEG_XL),
    (4, b"jP  \r\n\x87\n", _JPEG_2000),
    (0, b"\xff\x4f\xff\x51", _JPEG_2000),
    (0, b"\0\0\x01\0", _ICON),
    (0, b"icns", _ICON),
    (0, b"v/1\x01", _HDR),
    (0, b"#?RADIANCE", _HDR),
    (0, b"FUJIFILMCCD-RAW", _RAW),
    (8, b"AVI ", _OTHER_VIDEO),
    (0, b"FLV\x01", _OTHER_VIDEO),
    (0, b"\0\0\x01\xba", _OTHER_VIDEO),
    (0, b"\0\0\x01\xb3", _OTHER_VIDEO),
    (0, b"OggS", _OTHER_VIDEO),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", _OTHER_VIDEO),
    (0, b"\x1a\x45\xdf\xa3", _OTHER_VIDEO),
    (0, b"version https://git-lfs", _LFS),
    (0, b"FWS", _FLASH),
    (0, b"CWS", _FLASH),
    (0, b"ZWS", _FLASH),
)
# What starts like this is an image of a kind that is read, whatever follows.
_READ_BY_MAGIC = (
    (0, b"\x89PNG", "PNG"),
    (0, b"\xff\xd8", "JPEG"),
    (0, b"GIF8", "GIF"),
    (8, b"WEBP", "WebP"),
    (0, b"II*\0", "TIFF"),
    (0, b"MM\0*", "TIFF"),
)
# Lengths of the header that follows the 14 bytes at the start of a BMP.
_BMP_HEADERS = (12, 40, 52, 56, 64, 108, 124)
_HEIF_BRANDS = frozenset(["heic", "heix", "heim", "heis", "hevc", "hevx", "hevm", "hevs", "mif1", "mif2", "msf1"])
_AVIF_BRANDS = frozenset({"avif", "avis"})


def kind_of_suffix(suffix: str) -> Kind | None:
    """Return the kind of image, design or video that a file has by its name and that is not read.

    >>> kind_of_suffix(".SVG").reason
    'an SVG drawing is not read: export it as PNG in the size in which it is shown'
    """
    return _BY_SUFFIX.get(suffix.lower())


def kind_of(data: bytes) -> Kind | None:
    """Return the kind of a file that is not read, by its first bytes; None where it is none of the known ones."""
    for place, magic, kind in _BY_MAGIC:
        if data.startswith(magic, place):
            return kind
    if data[:4] in (b"II*\0", b"MM\0*") and data[8:10] == b"CR":
        return _RAW
    if _brands(data)[:1] == ["crx"]:
        return _RAW
    start = data[:2048].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<svg", b"<?xml", b"<!doctype svg")) and b"<svg" in start:
        return _SVG
    if start.startswith((b"<!doctype html", b"<html")):
        return _HTML
    return None


def image_of(data: bytes) -> str:
    """Return the name of the kind of image that a file is by its first bytes, whole or not; "" where it is none.

    >>> image_of(b"\\x89PNG"), image_of(b"BM is how this text starts"), image_of(b"date,clicks")
    ('PNG', '', '')
    """
    if is_heif(data):
        return "HEIC"
    if _AVIF_BRANDS & set(_brands(data)):
        return "AVIF"
    if data[:2] == b"BM" and int.from_bytes(data[14:18], "little") in _BMP_HEADERS:
        return "BMP"
    return next((name for place, magic, name in _READ_BY_MAGIC if data.startswith(magic, place)), "")


def ends_early(data: bytes) -> bool:
    """Return whether a HEIC, AVIF or MP4 file is shorter than its boxes say; False for files of other kinds.

    >>> ends_early(b"\\0\\0\\0\\x0cftypheic\\0\\0\\1\\0mdat")
    True
    """
    place = 0
    while data[place + 4 : place + 8] in (b"ftyp", b"meta", b"mdat", b"moov", b"free"):
        size = int.from_bytes(data[place : place + 4], "big")
        if size == 1:
            size = int.from_bytes(data[place + 8 : place + 16], "big")
        if size < 8:  # 0: up to the end of the file
            return False
        place += size
    return place > len(data)


def is_heif(data: bytes) -> bool:
    """Return whether a file is HEIC or HEIF by its first bytes. AVIF has the same container, and is not meant."""
    brands = _brands(data)
    return bool(brands) and brands[0] in _HEIF_BRANDS and not _AVIF_BRANDS & set(brands)


def video_type(data: bytes) -> str:
    """Return the media type of an MP4, MOV or WebM film by its first bytes, or "" for anything else.

    >>> video_type(b"\\0\\0\\0\\x14ftypqt  \\0\\0\\0\\0qt  "), video_type(b"GIF89a")
    ('video/quicktime', '')
    """
    if data[:4] == b"\x1a\x45\xdf\xa3":
        return "video/webm" if b"webm" in data[:64] else "video/x-matroska" if b"matroska" in data[:64] else ""
    if data[4:8] in (b"moov", b"mdat", b"wide", b"free", b"skip"):
        return "video/quicktime"  # as QuickTime wrote it before there were brands
    brands = _brands(data)
    if not brands or brands[0] == "crx" or (_HEIF_BRANDS | _AVIF_BRANDS) & {brands[0]}:
        return ""
    return "video/quicktime" if brands[0] == "qt" else "video/mp4"


def _brands(data: bytes) -> list[str]:
    """Return the brands of an ISO file, the major one first; none for other files."""
    if data[4:8] != b"ftyp":
        return []
    size = min(int.from_bytes(data[:4], "big"), 256)
    named = [data[8:12], *(data[place : place + 4] for place in range(16, size, 4))]
    return [brand.decode("latin-1").rstrip(" \0") for brand in named]
