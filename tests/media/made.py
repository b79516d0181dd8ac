"""Small real files of each kind, made with the libraries that read them or by hand."""

import io
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import PIL.Image
from numpy.typing import NDArray

if TYPE_CHECKING:
    import av

PAGE = (200, 300)  # points
COLOURS = ((200, 40, 40), (40, 160, 40), (40, 40, 200), (220, 200, 40))


def write_pdf(path: Path, *texts: str, size: tuple[float, float] = PAGE, count: int = 0) -> Path:
    """Write a PDF with a page for each text, or of `count` empty pages."""
    pages = texts or ("",) * count
    kids = " ".join(f"{4 + 2 * place} 0 R" for place in range(len(pages)))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for place, text in enumerate(pages):
        red, green, blue = (value / 255 for value in COLOURS[place % len(COLOURS)])
        drawn = f"{red:.2f} {green:.2f} {blue:.2f} rg 20 20 120 120 re f "
        drawn += f"0 g BT /F 20 Tf 20 200 Td ({text}) Tj ET"
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {size[0]} {size[1]}] "
            f"/Resources << /Font << /F 3 0 R >> >> /Contents {5 + 2 * place} 0 R >>"
        )
        objects.append(f"<< /Length {len(drawn)} >>\nstream\n{drawn}\nendstream")
    parts, places, start = [b"%PDF-1.4\n"], [], 9
    for number, one in enumerate(objects, 1):
        places.append(start)
        parts.append(f"{number} 0 obj\n{one}\nendobj\n".encode())
        start += len(parts[-1])
    content = b"".join(parts)
    content += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    content += b"".join(b"%010d 00000 n \n" % place for place in places)
    content += f"trailer << /Size {len(objects) + 1} /Root 1 0 R >>\n".encode()
    path.write_bytes(content + b"startxref\n%d\n%%%%EOF\n" % start)
    return path


def write_encrypted_pdf(path: Path) -> Path:
    """Write a PDF that opens with a password only."""
    write_pdf(path, "secret")
    content = path.read_bytes()
    keys = "<< /Filter /Standard /V 1 /R 2 /P -4 " + f"/O <{'41' * 32}> /U <{'42' * 32}> >>"
    path.write_bytes(
        content.replace(b"/Root 1 0 R", b"/Root 1 0 R /ID [<41><41>] /Encrypt " + keys.encode())
    )
    return path


def write_video(path: Path, *, seconds: int = 2, rate: int = 8, codec: str = "mpeg4") -> Path:
    """Write a video with a colour, and a key frame, for each second."""
    import av

    with av.open(str(path), "w") as target:
        stream = cast("av.VideoStream", target.add_stream(codec, rate=rate))
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.codec_context.gop_size = rate
        for number in range(seconds * rate):
            pixels = np.full((64, 96, 3), COLOURS[number // rate % len(COLOURS)], np.uint8)
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts = number
            target.mux(stream.encode(frame))
        target.mux(stream.encode())
    return path


def write_animation(path: Path, *, count: int = 6) -> Path:
    """Write an animated image, of which every frame differs."""
    frames = [PIL.Image.new("RGB", (80, 60), (40 * place, 90, 200)) for place in range(count)]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=100)
    return path


def write_docx(path: Path, *paragraphs: str) -> Path:
    """Write a Word document of some paragraphs."""
    space = "http://schemas.openxmlformats.org"
    body = "".join(f"<w:p><w:r><w:t>{one}</w:t></w:r></w:p>" for one in paragraphs)
    kind = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{space}/package/2006/content-types"><Default '
        'Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/word/document.xml" ContentType="{kind}"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{space}/package/2006/relationships"><Relationship '
        f'Id="r1" Type="{space}/officeDocument/2006/relationships/officeDocument" '
        'Target="word/document.xml"/></Relationships>',
        "word/document.xml": f'<w:document xmlns:w="{space}/wordprocessingml/2006/main">'
        f"<w:body>{body}</w:body></w:document>",
    }
    return write_zip(path, parts)


def write_epub(path: Path, *chapters: str, encrypted: bool = False) -> Path:
    """Write a book of some chapters, with a charset that HTML does not expect."""
    names = [f"text/c{number}.xhtml" for number, _ in enumerate(chapters)]
    items = "".join(f'<item id="{name}" href="{name}"/>' for name in reversed(names))
    spine = "".join(f'<itemref idref="{name}"/>' for name in names)
    parts = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:'
        'container"><rootfiles><rootfile full-path="book/a.opf"/></rootfiles></container>',
        "book/a.opf": '<package xmlns="http://www.idpf.org/2007/opf"><manifest>'
        f"{items}</manifest><spine>{spine}</spine></package>",
    }
    for name, text in zip(names, chapters, strict=True):
        parts[f"book/{name}"] = (
            '<?xml version="1.0" encoding="utf-8"?><html xmlns="http://www.w3.org/1999/xhtml">'
            f"<head><style>p {{}}</style></head><body><p>{text}</p></body></html>"
        )
    if encrypted:
        parts["META-INF/encryption.xml"] = (
            f'<encryption><CipherReference URI="book/{names[0]}"/></encryption>'
        )
    return write_zip(path, parts)


def write_zip(path: Path, parts: dict[str, str]) -> Path:
    """Write a zip file of texts, by name."""
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return path


def write_dng(path: Path, *, pixels: NDArray[np.uint8] | None = None) -> Path:
    """Write a camera RAW file (DNG): a colour filter array of a picture, without a preview."""
    shown = np.full((64, 64, 3), (240, 48, 24), np.uint8) if pixels is None else pixels
    side = len(shown)
    light = ((shown / 255) ** 2.2 * 30_000).astype("<u2")
    seen = light[:, :, 1].copy()  # green, but for
    seen[0::2, 0::2], seen[1::2, 1::2] = light[0::2, 0::2, 0], light[1::2, 1::2, 2]
    model = b"Made Camera One\0"
    matrix = (10_000, 0, 0, 0, 10_000, 0, 0, 0, 10_000)
    tags: list[tuple[int, int, int, bytes]] = [
        (254, 4, 1, struct.pack("<I", 0)),
        (256, 4, 1, struct.pack("<I", side)),
        (257, 4, 1, struct.pack("<I", side)),
        (258, 3, 1, struct.pack("<HH", 16, 0)),
        (259, 3, 1, struct.pack("<HH", 1, 0)),
        (262, 3, 1, struct.pack("<HH", 32_803, 0)),
        (271, 2, 5, b"Made\0"),
        (272, 2, len(model), model),
        (273, 4, 1, b"STRP"),
        (277, 3, 1, struct.pack("<HH", 1, 0)),
        (278, 4, 1, struct.pack("<I", side)),
        (279, 4, 1, struct.pack("<I", seen.nbytes)),
        (306, 2, 20, b"2021:07:08 09:10:11\0"),
        (33_421, 3, 2, struct.pack("<HH", 2, 2)),
        (33_422, 1, 4, bytes([0, 1, 1, 2])),
        (50_706, 1, 4, bytes([1, 4, 0, 0])),
        (50_708, 2, len(model), model),
        (50_717, 4, 1, struct.pack("<I", 40_000)),
        (50_721, 10, 9, b"".join(struct.pack("<ii", one, 10_000) for one in matrix)),
        (50_728, 5, 3, b"".join(struct.pack("<II", 1, 1) for _ in range(3))),
        (50_778, 3, 1, struct.pack("<HH", 21, 0)),
    ]
    path.write_bytes(_make_tiff(tags, seen))
    return path


def _make_tiff(tags: Sequence[tuple[int, int, int, bytes]], pixels: NDArray[np.uint16]) -> bytes:
    """Return a TIFF file with one directory, then long values, then the pixels."""
    first = 8 + 2 + 12 * len(tags) + 4
    strip = first + sum(len(value) + len(value) % 2 for *_, value in tags if len(value) > 4)
    head, rest = struct.pack("<2sHIH", b"II", 42, 8, len(tags)), b""
    for tag, form, count, value in tags:
        placed = struct.pack("<I", strip) if value == b"STRP" else value.ljust(4, b"\0")
        if len(value) > 4:
            placed = struct.pack("<I", first + len(rest))
            rest += value + b"\0" * (len(value) % 2)
        head += struct.pack("<HHI4s", tag, form, count, placed)
    return head + struct.pack("<I", 0) + rest + pixels.tobytes()


def open_jpeg(content: bytes) -> PIL.Image.Image:
    """Open what a decoder returned, which must be JPEG."""
    return PIL.Image.open(io.BytesIO(content), formats=["JPEG"])


def colour(content: bytes, x: float = 0.3, y: float = 0.7) -> tuple[int, ...]:
    """Return the colour of an encoded image at a place, as shares of its width and height."""
    picture = open_jpeg(content).convert("RGB")
    found = picture.getpixel((int(x * picture.width), int(y * picture.height)))
    assert isinstance(found, tuple)
    return found


def is_near(found: Sequence[int], wanted: Sequence[int], *, by: int = 25) -> bool:
    """Return whether two colours are nearly the same."""
    return all(abs(one - other) <= by for one, other in zip(found, wanted, strict=True))
